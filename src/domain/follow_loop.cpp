#include "domain/follow_loop.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "net/call_back.hpp"

namespace sealift::domain {
namespace {

constexpr std::string_view kHintFact = "server";
constexpr Milliseconds kAnswerMargin{5'000};  // beyond what the server may hold a request
constexpr Milliseconds kRedialFirst{20};
constexpr Milliseconds kMemberWait{2'000};

bool same_place(const net::DialOptions& a, const net::DialOptions& b) {
  return a.endpoints == b.endpoints && a.expected == b.expected;
}

std::string places(const net::DialOptions& options) {
  std::string text;
  for (const net::Endpoint& endpoint : options.endpoints)
    text += (text.empty() ? "" : ", ") + endpoint.text();
  return text.empty() ? "no known address" : text;
}

}  // namespace

Status keep_server_hint(Desk& desk, const crypto::NamedKey& server,
                        const std::vector<std::string>& endpoints) {
  return desk.put_fact(kHintFact, json::dump({{"key", server.verifier_key()}, {"endpoints", endpoints}}));
}

FollowLoop::FollowLoop(Replica& replica, Options options) : replica_(replica), options_(std::move(options)) {}

net::DialOptions FollowLoop::address_of(const ledger::Member& member) const {
  net::DialOptions options;
  options.endpoints = net::parse_endpoints(member.info.endpoints);
  options.call_backs = options_.call_backs;
  options.expected = member.info.key;
  options.hello.purpose = "ledger";
  options.hello.host_name = replica_.self().text();
  options.hello.domain = replica_.domain().hex();
  return options;
}

Result<net::DialOptions> FollowLoop::server_address() const {
  const auto state = replica_.chain().final_state();
  net::DialOptions options;
  if (const auto server = state->member(state->serving().server)) options = address_of(*server);
  // An older address, or the only one of a host that has just joined.
  if (auto text = SEALIFT_TRY(replica_.desk().fact(kHintFact))) {
    const Json hint = SEALIFT_TRY(json::parse(*text, 64 * 1024));
    const std::string key_text = SEALIFT_TRY(json::text(hint, "key"));
    const auto key = SEALIFT_TRY(crypto::PublicKey::parse_verifier_key(key_text));
    if (!options.expected || *options.expected == key.key) {
      options.expected = key.key;
      for (const Json& item : SEALIFT_TRY(json::array(hint, "endpoints"))) {
        auto endpoint = item.is_string() ? net::Endpoint::parse(item.get_ref<const std::string&>())
                                         : fail(Code::kInvalid, "no text");
        const bool fresh =
            endpoint && std::ranges::find(options.endpoints, *endpoint) == options.endpoints.end();
        if (fresh) options.endpoints.push_back(std::move(*endpoint));
      }
    }
  }
  if (options.endpoints.empty() && (options_.call_backs == nullptr || !options.expected)) {
    return fail(Code::kUnavailable,
                "{}, which serves the ledger, has no known address: it must say one (host update)",
                state->serving().server.text());
  }
  return options;
}

Result<Json> FollowLoop::call(std::string_view method, const Json& params, Deadline deadline,
                              const Stop& stop) {
  const net::DialOptions address = SEALIFT_TRY(server_address());
  std::shared_ptr<net::RpcClient> client;
  {
    auto shared = shared_.lock();
    if (!shared->calls || !same_place(shared->calls_to, address)) {
      shared->calls = std::make_shared<net::RpcClient>(address, replica_.identity());
      shared->calls_to = address;
    }
    client = shared->calls;
  }
  auto answer = client->call(method, params, deadline, stop);
  if (!answer && (answer.error().code == Code::kUnavailable || answer.error().code == Code::kTimeout)) {
    return fail(answer.error().code, "waiting for {}, which serves the ledger ({}): {}. Guests run on",
                replica_.chain().final_state()->serving().server.text(), places(address),
                answer.error().message);
  }
  return answer;
}

Result<Json> FollowLoop::call_member(const ledger::HostName& name, std::string_view method,
                                     const Json& params, Deadline deadline, const Stop& stop) {
  const auto member = replica_.chain().final_state()->member(name);
  if (!member) return fail(Code::kNotFound, "{} is not a member", name.text());
  net::RpcClient client(address_of(*member), replica_.identity(), 1);
  return client.call(method, params, deadline, stop);
}

bool FollowLoop::may_reach(const ledger::Member& member) const {
  return !member.info.endpoints.empty() ||
         (options_.call_backs != nullptr && options_.call_backs->standing(member.info.key));
}

bool FollowLoop::connected() const {
  return shared_.lock()->connected;
}

std::string FollowLoop::waiting_for() const {
  auto shared = shared_.lock();
  return shared->connected ? "" : shared->waiting_for;
}

std::optional<ExpulsionProof> FollowLoop::removal() const {
  return shared_.lock()->removal;
}

void FollowLoop::failed(const Error& error) {
  const std::string server = replica_.chain().final_state()->serving().server.text();
  const std::string text = fmt::format("{}, which serves the ledger: {}", server, error.message);
  // Only what does not heal by itself is an alarm; a server out of reach is what waiting_for is for.
  const bool alarm = error.code != Code::kUnavailable && error.code != Code::kTimeout &&
                     error.code != Code::kClosed && error.code != Code::kCancelled;
  bool fresh = false;
  {
    auto shared = shared_.lock();
    fresh = shared->lost_by != error.code;  // said once, not at every attempt
    shared->connected = false;
    shared->waiting_for = text;
    shared->lost_by = error.code;
  }
  if (fresh) log_warning("ledger.follow_lost", {{"reason", text}});
  if (fresh && alarm && options_.on_alarm) options_.on_alarm(text);
}

void FollowLoop::get_evidence(const Stop& stop) {
  // The chains differ: the other side's signed checkpoint is the proof.
  ledger::Chain& chain = replica_.chain();
  const HeadExchange ours{chain.checkpoint().value_or("")};
  const auto answer = call("ledger.head", to_json(ours), Deadline::in(kAnswerMargin), stop);
  if (!answer) return;
  const auto theirs = parse_head_exchange(*answer);
  if (!theirs || theirs->note.empty()) return;
  const auto head = ledger::parse_signed_head(as_bytes(theirs->note));
  if (!head) return;
  if (head->head.size <= chain.height()) {
    if (auto taken = replica_.take_signatures(theirs->note); !taken) failed(taken.error());
    return;
  }
  const auto names = ledger::cosigners(*head, chain.final_state()->member_set());
  if (!names || std::ranges::find(*names, replica_.self()) == names->end()) return;
  Evidence evidence;
  evidence.kind = Evidence::Kind::kRolledBack;
  evidence.height = chain.height() + 1;
  evidence.against = replica_.self();
  evidence.ours_head = ours.note;
  evidence.theirs_head = theirs->note;
  evidence.text = fmt::format(
      "this host's store ends at block {}, but it has cosigned a checkpoint of {} blocks: its state "
      "directory is older "
      "than its word (restored from a backup?)",
      chain.height(), head->head.size);
  replica_.halt(std::move(evidence));
}

Status FollowLoop::follow_once(net::RpcClient& client, Follower& follower, const Stop& stop) {
  const Json answer = SEALIFT_TRY(client.call("ledger.follow", to_json(follower.request()),
                                              Deadline::in(options_.follow_hold + kAnswerMargin), stop));
  const FollowNews news = SEALIFT_TRY(parse_follow_news(answer));
  SEALIFT_TRY_STATUS(follower.take(news));
  {
    auto shared = shared_.lock();
    shared->connected = true;
    shared->waiting_for.clear();
    shared->lost_by.reset();
    shared->removal = follower.removal();
  }
  if (options_.on_news) options_.on_news();
  return {};
}

void FollowLoop::look_for_removal(Follower& follower, const Stop& stop) {
  const auto state = replica_.chain().final_state();
  for (const ledger::Member& member : state->members()) {
    const bool other = member.info.name != replica_.self() && member.info.name != state->serving().server;
    if (!other || stop.stopped() || follower.removal()) continue;
    follower.begin_session();
    const auto answer = call_member(member.info.name, "ledger.follow", to_json(follower.request()),
                                    Deadline::in(kMemberWait), stop);
    const auto news = answer ? parse_follow_news(*answer) : std::unexpected(answer.error());
    if (!news || news->removed_height == 0) continue;  // a member refuses: it does not serve
    const Status taken = follower.take_from_member(*news);
    if (!taken) log_debug("ledger.removal_not_taken", {{"reason", taken.error().message}});
  }
  if (!follower.removal()) return;
  shared_.lock()->removal = follower.removal();
  if (options_.on_news) options_.on_news();
}

void FollowLoop::run(const Stop& stop) {
  Follower follower(replica_);
  if (follower.see_removal()) shared_.lock()->removal = follower.removal();
  Milliseconds pause = kRedialFirst;
  while (!stop.stopped()) {
    follower.begin_session();
    auto address = server_address();
    Status status = address ? Status{} : Status{std::unexpected(address.error())};
    if (address) {
      net::RpcClient client(*address, replica_.identity(), 1);
      while (status && !stop.stopped()) {
        status = follow_once(client, follower, stop);
        if (status) pause = kRedialFirst;
        const auto now = server_address();
        if (now && !same_place(*now, *address)) break;  // it has moved: dial there
      }
    }
    if (stop.stopped()) return;
    if (status) continue;
    const Code code = status.error().code;
    if ((code == Code::kCorrupt || code == Code::kConflict) && !replica_.evidence()) get_evidence(stop);
    failed(status.error());
    if (const auto halted = replica_.evidence()) {
      if (options_.on_alarm) options_.on_alarm(halted->text);
      return;
    }
    // At the longest pause only: a server that is being restarted is back before that.
    if (pause >= options_.redial_max && !replica_.removed()) look_for_removal(follower, stop);
    stop.sleep(pause);
    pause = std::min(pause * 2, options_.redial_max);
  }
}

}  // namespace sealift::domain
