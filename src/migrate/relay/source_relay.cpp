#include <unistd.h>

#include "base/check.hpp"
#include "migrate/relay/channels.hpp"
#include "migrate/relay/relay.hpp"
#include "migrate/relay/return_path.hpp"

namespace sealift::migrate {

struct SourceRelay::Impl {
  transport::Session& session;
  net::UnixListener listener;
  unsigned channels;
  std::optional<uid_t> qemu_user;
  Channels group;
  StopSource finishing;  // wakes readers that wait for QEMU: drain, then end the stream

  Status accept_all();
  Status carry(net::UnixStream& from, transport::StreamId id);
  Status drain(net::UnixStream& from, transport::StreamWriter& writer);
  Status carry_back(net::UnixStream& to);
};

Status SourceRelay::Impl::accept_all() {
  for (unsigned channel = 0; channel < channels; ++channel) {
    net::UnixStream socket = SEALIFT_TRY(listener.accept(Deadline::never(), group.stop_token()));
    if (qemu_user) {
      const net::PeerCredentials who = SEALIFT_TRY(socket.credentials());
      if (who.uid != *qemu_user) {
        return fail(Code::kUnauthorized,
                    "process {} of user {} connected to the migration socket; QEMU runs as user {}", who.pid,
                    who.uid, *qemu_user);
      }
    }
    net::UnixStream& added = group.add(std::move(socket));
    const auto id = static_cast<transport::StreamId>(kMainStream + channel);
    group.start([this, &added, id] { return carry(added, id); });
    if (channel == 0) group.start([this, &added] { return carry_back(added); });
  }
  return {};
}

// QEMU -> stream, record by record as the bytes come.
Status SourceRelay::Impl::carry(net::UnixStream& from, transport::StreamId id) {
  transport::StreamWriter writer = session.writer(id);
  while (true) {
    const auto got =
        from.read_some(writer.buffer().first(kRelayReadBytes), Deadline::never(), finishing.token());
    if (!got && got.error().code == Code::kCancelled) break;
    if (!got) {
      if (group.stop_token().stopped()) return fail(Code::kCancelled, "cut");
      return because(got.error(), "reading QEMU's migration channel");
    }
    if (*got == 0) break;
    group.count(*got);
    SEALIFT_TRY_STATUS(writer.commit(*got, Deadline::never(), group.stop_token()));
  }
  SEALIFT_TRY_STATUS(drain(from, writer));
  SEALIFT_TRY_STATUS(writer.finish(Deadline::never(), group.stop_token()));
  group.update([](Channels::State& state) { ++state.ended; });
  return {};
}

// QEMU is frozen or has closed: takes what the socket still holds, without waiting for more.
Status SourceRelay::Impl::drain(net::UnixStream& from, transport::StreamWriter& writer) {
  while (true) {
    const auto got =
        from.read_some(writer.buffer().first(kRelayReadBytes), Deadline::in(Milliseconds(0)), Stop());
    if (!got || *got == 0) return {};
    group.count(*got);
    SEALIFT_TRY_STATUS(writer.commit(*got, Deadline::never(), group.stop_token()));
  }
}

// Stream -> QEMU: only what the filter lets through.
Status SourceRelay::Impl::carry_back(net::UnixStream& to) {
  transport::StreamReader reader = session.reader(kMainStream);
  ReturnPathFilter filter;
  Bytes forward;
  while (true) {
    const auto record = SEALIFT_TRY(reader.next(Deadline::never(), group.stop_token()));
    if (!record) return {};
    forward.clear();
    SEALIFT_TRY_STATUS(filter.feed(*record, forward));
    if (!forward.empty()) SEALIFT_TRY_STATUS(to.write_all(forward, Deadline::never(), group.stop_token()));
    group.update([&](Channels::State& state) {
      state.acknowledged = filter.acknowledged();
      state.loaded = filter.shut();
    });
  }
}

SourceRelay::SourceRelay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SourceRelay::~SourceRelay() {
  cut();
}

Result<std::unique_ptr<SourceRelay>> SourceRelay::open(transport::Session& session, const file::Path& socket,
                                                       unsigned channels, std::optional<uid_t> qemu_user) {
  SEALIFT_CHECK(channels >= 1 && channels <= kChannelsMax);
  net::UnixListener listener = SEALIFT_TRY(net::UnixListener::listen(socket));
  if (qemu_user && ::chown(socket.c_str(), *qemu_user, static_cast<gid_t>(-1)) != 0) {
    return fail_errno(errno, fmt::format("give {} to QEMU's user", socket.string()));
  }
  std::unique_ptr<Impl> impl(new Impl{.session = session,
                                      .listener = std::move(listener),
                                      .channels = channels,
                                      .qemu_user = qemu_user,
                                      .group = {},
                                      .finishing = {}});
  Impl* shared = impl.get();
  impl->group.start([shared] { return shared->accept_all(); });
  return std::unique_ptr<SourceRelay>(new SourceRelay(std::move(impl)));
}

Result<std::uint32_t> SourceRelay::wait_loaded(Deadline deadline, const Stop& stop) {
  std::uint32_t value = 0;
  SEALIFT_TRY_STATUS(impl_->group.wait(deadline, stop, [&](const Channels::State& state) {
    value = state.loaded.value_or(0);
    return state.loaded.has_value();
  }));
  return value;
}

bool SourceRelay::acknowledged() const {
  return impl_->group.acknowledged();
}

Status SourceRelay::finish(Deadline deadline, const Stop& stop) {
  impl_->finishing.stop();
  return impl_->group.wait(deadline, stop,
                           [&](const Channels::State& state) { return state.ended == impl_->channels; });
}

void SourceRelay::cut() {
  impl_->finishing.stop();
  impl_->group.cut();
}

std::optional<Error> SourceRelay::failure() const {
  return impl_->group.failure();
}

std::uint64_t SourceRelay::bytes() const {
  return impl_->group.bytes();
}

}  // namespace sealift::migrate
