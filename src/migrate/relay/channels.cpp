#include "migrate/relay/channels.hpp"

namespace sealift::migrate {

namespace {

// How often a waiter looks at its own Stop: the group's condition variable does not know it.
constexpr Milliseconds kStopPoll{20};

}  // namespace

void Channels::start(std::function<Status()> work) {
  threads_.lock()->emplace_back([this, work = std::move(work)] {
    const Status done = work();
    if (!done && done.error().code != Code::kCancelled) fail_with(done.error());
  });
}

void Channels::cut() {
  stop_.stop();
  update([](State& state) {
    for (const auto& socket : state.sockets) socket->close();
  });
  while (true) {
    std::vector<std::jthread> ending;
    ending.swap(*threads_.lock());
    if (ending.empty()) break;  // a thread may have started others before it ended
  }
}

Status Channels::wait(Deadline deadline, const Stop& stop, const std::function<bool(const State&)>& ready) {
  while (true) {
    {
      auto state = state_.lock();
      const auto poll = std::chrono::steady_clock::now() + kStopPoll;
      const auto until = deadline.sooner(poll);
      state.wait_until(until, [&](const State& s) { return s.failure || ready(s); });
      if (ready(*state)) return {};
      if (state->failure) return std::unexpected(*state->failure);
    }
    if (stop.stopped() || stop_.stopped()) return fail(Code::kCancelled, "the relay was stopped");
    if (deadline.passed()) return fail(Code::kTimeout, "QEMU's channels did not get ready in time");
  }
}

net::UnixStream& Channels::add(net::UnixStream socket) {
  net::UnixStream* added = nullptr;
  update([&](State& state) {
    state.sockets.push_back(std::make_unique<net::UnixStream>(std::move(socket)));
    added = state.sockets.back().get();
    added->set_buffers(kRelaySocketBytes, kRelaySocketBytes);
    if (stop_.stopped()) added->close();
  });
  return *added;
}

void Channels::fail_with(Error error) {
  update([&](State& state) {
    if (!state.failure) state.failure = std::move(error);
  });
}

void Channels::update(const std::function<void(State&)>& change) {
  {
    auto state = state_.lock();
    change(*state);
  }
  state_.notify_all();
}

std::optional<Error> Channels::failure() {
  return state_.lock()->failure;
}

bool Channels::acknowledged() {
  return state_.lock()->acknowledged;
}

}  // namespace sealift::migrate
