#include "traffic/haproxy_end.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace sealift::traffic {

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr std::size_t kHeldMax = 4096;
constexpr std::size_t kPathBytesMax = 4096;
constexpr std::uint32_t kHold = 1;           // the least that HAProxy takes as a limit
constexpr std::uint32_t kRelease = 100'000;  // what it takes to let a queue go; never 0
constexpr Milliseconds kLookEvery{20};
constexpr Milliseconds kSilentEvery{1'000};  // HAProxy that does not answer is not asked all the time

Result<HaproxyHeld> parse_held(const Json& json) {
  HaproxyHeld held;
  held.server.socket = SEALIFT_TRY(json::text(json, "socket"));
  held.server.backend = SEALIFT_TRY(json::text(json, "backend"));
  held.server.server = SEALIFT_TRY(json::text(json, "server"));
  if (held.server.socket.empty() || held.server.socket.size() > kPathBytesMax ||
      !good_haproxy_name(held.server.backend) || !good_haproxy_name(held.server.server))
    return fail(Code::kInvalid, "a held server without socket or name");
  const std::uint64_t most = SEALIFT_TRY(json::number(json, "connections_max"));
  if (most > 0xffffffff) return fail(Code::kInvalid, "field 'connections_max' is too large");
  held.before.connections_max = static_cast<std::uint32_t>(most);
  held.checks = SEALIFT_TRY(json::boolean(json, "checks"));
  return held;
}

}  // namespace

std::string encode_held(const std::vector<HaproxyHeld>& held) {
  Json list = Json::array();
  for (const HaproxyHeld& one : held)
    list.push_back({{"socket", one.server.socket},
                    {"backend", one.server.backend},
                    {"server", one.server.server},
                    {"connections_max", one.before.connections_max},
                    {"checks", one.checks}});
  return json::dump({{"version", kVersion}, {"held", std::move(list)}}) + "\n";
}

Result<std::vector<HaproxyHeld>> decode_held(std::string_view text) {
  const Json json = SEALIFT_TRY(json::parse(text, kFileBytesMax));
  const std::uint64_t version = SEALIFT_TRY(json::number(json, "version"));
  if (version != kVersion)
    return fail(Code::kUnsupported, "it is of version {}, this sealift knows version {}", version, kVersion);
  const Json list = SEALIFT_TRY(json::array(json, "held"));
  if (list.size() > kHeldMax) return fail(Code::kInvalid, "more than {} held servers", kHeldMax);
  std::vector<HaproxyHeld> held;
  for (const Json& one : list) held.push_back(SEALIFT_TRY(parse_held(one)));
  return held;
}

Result<std::unique_ptr<HaproxyEnd>> HaproxyEnd::open(const file::Path& path,
                                                     std::vector<HaproxyServer> servers) {
  std::unique_ptr<HaproxyEnd> end(new HaproxyEnd(path, std::move(servers)));
  const auto text = file::read_text(path, kFileBytesMax);
  if (!text && text.error().code != Code::kNotFound) return std::unexpected(text.error());
  if (text) {
    auto left = decode_held(*text);
    if (!left) return because(left.error(), path.string());
    auto state = end->state_.lock();
    for (HaproxyHeld& one : *left) {
      Held& held = state->held.emplace_back();
      held.was = std::move(one);
      end->end_hold(held, "an earlier daemon left it so");
    }
    end->put_back(*state);
  }
  end->watching_ = std::jthread([self = end.get()] { self->watch(self->stop_.token()); });
  return end;
}

HaproxyEnd::~HaproxyEnd() {
  stop_.stop();
  if (watching_.joinable()) watching_.join();
  auto state = state_.lock();
  for (Held& held : state->held)
    if (held.hold == Hold::kInForce) end_hold(held, "this daemon ends");
  put_back(*state);  // what does not go now is the next daemon's: it is in the file
}

void HaproxyEnd::take(const ledger::HostName& host, const Batch& batch) {
  auto state = state_.lock();
  if (batch.whole) {
    for (Held& held : state->held) {
      const bool named =
          std::ranges::any_of(batch.events, [&](const MoveEvent& e) { return e.vm.text() == held.vm; });
      if (held.hold == Hold::kInForce && held.from == host && !named)
        end_hold(held, host.text() + " knows of no move of it");
    }
  }
  for (const MoveEvent& event : batch.events) apply(*state, event);
  put_back(*state);
}

void HaproxyEnd::connected(const ledger::HostName& host) {
  log_info("haproxy.following", {{"host", host.text()}});
}

void HaproxyEnd::lost(const ledger::HostName& host, const Error& why) {
  log_warning("haproxy.not_following", {{"host", host.text()}, {"why", why.message}});
  auto state = state_.lock();
  for (Held& held : state->held)
    if (held.hold == Hold::kInForce && held.from == host) end_hold(held, host.text() + "'s events are lost");
  put_back(*state);
}

void HaproxyEnd::apply(State& state, const MoveEvent& event) {
  const auto [known, fresh] = state.seen.try_emplace(event.vm);
  const MovePlace place{event.epoch.value, event.kind};
  if (!fresh && !known->second.before(place)) return;
  known->second = place;
  if (event.kind == MoveEventKind::kSwitching) {
    for (const HaproxyServer& server : servers_)
      if (server.vm == event.name || server.vm == event.vm.text()) hold(state, server, event);
    return;
  }
  if (!ends_move(event.kind)) return;
  for (Held& held : state.held)
    if (held.vm == event.vm.text() && held.hold == Hold::kInForce) end_hold(held, to_string(event.kind));
}

void HaproxyEnd::hold(State& state, const HaproxyServer& server, const MoveEvent& event) {
  const auto give_up = [&](const Error& error) {
    log_warning(
        "haproxy.not_held",
        {{"server", server.backend + "/" + server.server}, {"vm", event.name}, {"why", error.message}});
  };
  const auto same = [&](const Held& held) {
    return held.was.server.socket == server.socket && held.was.server.backend == server.backend &&
           held.was.server.server == server.server;
  };
  // Of one that is still ending, what was first is what it goes back to.
  auto held = std::ranges::find_if(state.held, same);
  if (held == state.held.end()) {
    const auto limits = haproxy_limits(server);
    if (!limits) return give_up(limits.error());
    const auto checks = haproxy_checks(server);
    if (!checks) return give_up(checks.error());
    HaproxyServer named = server;
    named.vm.clear();
    state.held.push_back({.was = {std::move(named), *limits, *checks}, .vm = {}, .from = {}});
    held = std::prev(state.held.end());
    if (const Status kept = keep(state); !kept) {
      state.held.pop_back();
      return give_up(kept.error());
    }
  }
  held->vm = event.vm.text();
  held->from = event.from;
  held->hold = Hold::kInForce;
  held->until = std::chrono::steady_clock::now() + kHoldMax;
  Status done = set_haproxy_connections_max(server, kHold);
  if (done && held->was.checks) done = set_haproxy_checks(server, false);
  if (!done) give_up(done.error());
}

void HaproxyEnd::end_hold(Held& held, std::string_view why) {
  held.hold = Hold::kEnding;
  log_info("haproxy.release",
           {{"server", held.was.server.backend + "/" + held.was.server.server}, {"why", why}});
  const Status done = set_haproxy_connections_max(held.was.server, kRelease);
  if (!done) log_warning("haproxy.release", {{"error", done.error().message}});
}

bool HaproxyEnd::put_back(State& state) {
  bool answered = true;
  const auto done = [&answered](const Held& held) {
    if (held.hold != Hold::kEnding) return false;
    const HaproxyServer& server = held.was.server;
    const auto now = haproxy_limits(server);
    if (!now) {
      const bool gone = now.error().code == Code::kNotFound;  // HAProxy has it no more
      answered = answered && gone;
      return gone;
    }
    if (now->connections_max != kRelease && !set_haproxy_connections_max(server, kRelease)) return false;
    if (now->queued > 0) return false;
    if (!set_haproxy_connections_max(server, held.was.before.connections_max)) return false;
    return !held.was.checks || set_haproxy_checks(server, true).has_value();
  };
  if (std::erase_if(state.held, done) > 0) {
    if (const Status kept = keep(state); !kept) log_error("haproxy.state", {{"error", kept.error().message}});
  }
  return answered;
}

Status HaproxyEnd::keep(const State& state) const {
  std::vector<HaproxyHeld> list;
  for (const Held& held : state.held) list.push_back(held.was);
  const std::string text = encode_held(list);
  return file::write_atomic(path_, std::string_view(text));
}

void HaproxyEnd::watch(const Stop& stop) {
  SteadyTime ending_again{};
  while (!stop.sleep(kLookEvery)) {
    auto state = state_.lock();
    const SteadyTime now = std::chrono::steady_clock::now();
    for (Held& held : state->held)
      if (held.hold == Hold::kInForce && now >= held.until) end_hold(held, "the move takes too long");
    if (now < ending_again || state->held.empty()) continue;
    ending_again = now + (put_back(*state) ? kLookEvery : kSilentEvery);
  }
}

}  // namespace sealift::traffic
