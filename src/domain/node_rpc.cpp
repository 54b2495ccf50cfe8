// Node's side towards other hosts: who may come, and what is answered.
#include "base/log.hpp"
#include "domain/node_impl.hpp"

namespace sealift::domain {
namespace {

constexpr int kJoinsMax = 8;  // connections of purpose "join" at a time
constexpr Milliseconds kJoinIdle{30'000};

Deadline wait_for(std::uint64_t wait_ms) {
  return Deadline::in(Milliseconds{static_cast<std::int64_t>(wait_ms)});
}

}  // namespace

Status Node::authorise(const crypto::PublicKey& key, const net::Hello& hello) const {
  const auto core = SEALIFT_TRY(impl_->core());
  const Replica& replica = core->replica();
  if (!hello.domain.empty() && hello.domain != replica.domain().hex()) {
    return fail(Code::kRefused, "{} speaks of domain {}, this host is in {}", hello.host_name, hello.domain,
                replica.domain().hex());
  }
  if (hello.purpose == "join") {
    if (SEALIFT_TRY(replica.desk().any_ticket(replica.clock().wall()))) return {};
    return fail(Code::kUnauthorized, "no invitation is outstanding here: ask for a new one (domain invite)");
  }
  auto name = replica.member(key);
  if (!name && hello.purpose == "ledger") {
    // It gets what took it out, and nothing else: every method asks again.
    if (const auto former = replica.former_member(key)) name = *former;
  }
  if (!name) return std::unexpected(name.error());
  if (name->text() != hello.host_name) {
    return fail(Code::kUnauthorized, "the key is {}'s, not {}'s", name->text(), hello.host_name);
  }
  return {};
}

void Node::attach(net::PeerServer& server) {
  impl_->server = &server;
  server.on("ledger", impl_->ledger_service.handler());
  server.on("join", [impl = impl_.get()](net::PeerConnection connection, const Stop& stop) {
    impl->serve_join(std::move(connection), stop);
  });
  if (const auto core = impl_->core()) server.set_domain((*core)->replica().domain().hex());
}

void Node::Impl::serve_join(net::PeerConnection connection, const Stop& stop) {
  struct Count {
    std::atomic<int>& joins;
    ~Count() { --joins; }
  } count{joins};
  if (++joins <= kJoinsMax) join_service.serve(std::move(connection), stop, {.idle_max = kJoinIdle});
}

void Node::Impl::make_services() {
  // The core and the member behind a key, asked at every call: who is expelled loses its rights at once.
  const auto as_member = [this](auto method) {
    return
        [this, method](const crypto::PublicKey& peer, const Json& params, const Stop& stop) -> Result<Json> {
          const auto held = SEALIFT_TRY(core());
          SEALIFT_TRY(held->replica().member(peer));
          return method(params, stop);
        };
  };
  ledger_service.method("ledger.follow", [this](const crypto::PublicKey& peer, const Json& params,
                                                const Stop& stop) { return follow(peer, params, stop); });
  ledger_service.method("ledger.submit", as_member([this](const Json& params, const Stop& stop) {
                          return submit(params, stop);
                        }));
  ledger_service.method(
      "ledger.ask", as_member([this](const Json& params, const Stop& stop) { return ask(params, stop); }));
  ledger_service.method("ledger.answer",
                        as_member([this](const Json& params, const Stop&) { return answer(params); }));
  ledger_service.method("ledger.propose", as_member([this](const Json& params, const Stop& stop) {
                          return propose(params, stop);
                        }));
  ledger_service.method(
      "ledger.head", as_member([this](const Json& params, const Stop&) -> Result<Json> {
        return to_json(SEALIFT_TRY(core())->compare(SEALIFT_TRY(parse_head_exchange(params))));
      }));
  ledger_service.method("ledger.proposals", as_member([this](const Json&, const Stop&) -> Result<Json> {
                          const auto held = SEALIFT_TRY(core());
                          return to_json(SEALIFT_TRY(held->server().proposals()));
                        }));
  join_service.method("join.genesis", [this](const crypto::PublicKey&, const Json& params, const Stop&) {
    return join_genesis(params);
  });
  join_service.method("join.request", [this](const crypto::PublicKey& peer, const Json& params,
                                             const Stop& stop) { return join_request(peer, params, stop); });
}

Result<Json> Node::Impl::follow(const crypto::PublicKey& peer, const Json& params, const Stop& stop) {
  const auto held = SEALIFT_TRY(core());
  const Replica& replica = held->replica();
  Server::Asker asker;
  if (auto name = replica.member(peer)) {
    asker.name = std::move(*name);
  } else if (const auto former = replica.former_member(peer)) {
    asker.name = *former;
    asker.removed_height = SEALIFT_TRY(replica.removed_height(*former));
  } else {
    return std::unexpected(name.error());
  }
  const FollowRequest request = SEALIFT_TRY(parse_follow_request(params));
  auto news = held->server().follow(asker, request, options.follow_hold, stop);
  if (!news && held->replica().evidence() && options.on_alarm)
    options.on_alarm(held->replica().evidence()->text);
  return to_json(SEALIFT_TRY(std::move(news)));
}

Result<Json> Node::Impl::submit(const Json& params, const Stop& stop) {
  const auto held = SEALIFT_TRY(core());
  const SubmitRequest request = SEALIFT_TRY(parse_submit_request(params));
  const std::uint64_t height =
      SEALIFT_TRY(held->server().submit(request.envelope, wait_for(request.wait_ms), stop));
  return Json{{"height", height}};
}

Result<Json> Node::Impl::ask(const Json& params, const Stop& stop) {
  const auto held = SEALIFT_TRY(core());
  const AskRequest request = SEALIFT_TRY(parse_ask_request(params));
  AskResult result;
  result.answers =
      SEALIFT_TRY(held->server().ask(request.nonce, request.answer, wait_for(request.wait_ms), stop));
  return to_json(result);
}

Result<Json> Node::Impl::propose(const Json& params, const Stop& stop) {
  const auto held = SEALIFT_TRY(core());
  if (!held->serving()) return fail(Code::kRefused, "{} does not serve the ledger", options.self.name.text());
  const ProposeRequest request = SEALIFT_TRY(parse_propose_request(params));
  constexpr Milliseconds kSubmitWait{30'000};
  return to_json({SEALIFT_TRY(held->server().propose(request.envelope, Deadline::in(kSubmitWait), stop))});
}

Result<Json> Node::Impl::join_genesis(const Json& params) {
  const auto held = SEALIFT_TRY(core());
  if (!params.is_object()) return fail(Code::kInvalid, "a message that is not a JSON object");
  const std::string id = SEALIFT_TRY(json::text(params, "invitation"));
  if (!SEALIFT_TRY(held->desk().ticket(id))) {
    return fail(Code::kUnauthorized, "no such invitation is outstanding here: ask for a new one");
  }
  return Json{{"genesis", base64(held->chain().genesis().bytes)}};
}

}  // namespace sealift::domain
