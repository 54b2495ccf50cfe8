#include "traffic/service.hpp"

#include "base/log.hpp"

namespace sealift::traffic {

namespace {

constexpr std::size_t kTicketsMax = 64;
constexpr int kStrangersMax = 16;  // connections that have not shown their right yet
constexpr Milliseconds kReaderIdle{10'000};
constexpr std::size_t kQuestionBytesMax = 16 * 1024;
constexpr std::size_t kTicketIdBytes = 8;

// Counted among those that have shown no right, until it has or ends.
class Stranger {
 public:
  explicit Stranger(std::atomic<int>& count) : count_(&count) { ++count; }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() { is_known(); }
  void is_known() {
    if (count_ != nullptr) --*std::exchange(count_, nullptr);
  }

 private:
  std::atomic<int>* count_;
};

net::ServeLimits limits_of_strangers() {
  return {.idle_max = kReaderIdle,
          .body_bytes_max = kQuestionBytesMax,
          .on_unauthorized = net::OnUnauthorized::kClose};
}

}  // namespace

Service::Service(ServiceOptions options) : options_(std::move(options)) {}

void Service::attach(net::PeerServer& server) {
  server.on(std::string(kTrafficPurpose), [this](net::PeerConnection connection, const Stop& stop) {
    serve_traffic(std::move(connection), stop);
  });
  server.on(std::string(kEnrolPurpose), [this](net::PeerConnection connection, const Stop& stop) {
    serve_enrol(std::move(connection), stop);
  });
}

Status Service::authorise(const crypto::PublicKey& key, const net::Hello& hello) const {
  const auto state = options_.ledger->final_state();
  if (hello.domain != state->domain().hex())
    return fail(Code::kUnauthorized, "only members and enrolled balancers of this domain may ask that");
  if (const auto name = state->key_holder(key); name && name->text() != hello.host_name)
    return fail(Code::kUnauthorized, "the key is {}'s, not {}'s", name->text(), hello.host_name);
  if (hello.purpose != kEnrolPurpose) return {};
  const WallTime now = options_.clock->wall();
  for (const auto& [id, ticket] : *tickets_.lock())
    if (ticket.expires >= now) return {};
  return fail(Code::kUnauthorized,
              "no balancer's invitation is outstanding here: ask for a new one (domain invite --balancer)");
}

Result<std::string> Service::reader_name(const crypto::PublicKey& key,
                                         const std::optional<UnverifiedCertificate>& shown) const {
  const auto state = options_.ledger->final_state();
  if (const auto member = state->key_holder(key)) return member->text();
  if (!shown) return fail(Code::kUnauthorized, "no member, and no certificate was shown");
  const auto member_key = [&](const ledger::HostName& name) -> std::optional<crypto::PublicKey> {
    const auto member = state->member(name);
    if (!member) return std::nullopt;
    return member->info.key;
  };
  return SEALIFT_TRY(verify_certificate(*shown, state->domain(), key, member_key, options_.clock->wall()))
      .name.text();
}

void Service::serve_traffic(net::PeerConnection connection, const Stop& stop) {
  Stranger stranger(strangers_);
  if (strangers_ > kStrangersMax) return;
  std::optional<UnverifiedCertificate> shown;
  std::unique_ptr<EventStream::Reader> reader;
  net::RpcService service;
  const auto known = [&](const crypto::PublicKey& peer) -> Status {
    const std::string name = SEALIFT_TRY(reader_name(peer, shown));
    if (reader) return {};
    stranger.is_known();
    log_info("traffic.reader", {{"name", name}, {"key", peer.hex()}});
    reader = options_.stream->enter(name);
    return {};
  };
  service.method("traffic.wait",
                 [&](const crypto::PublicKey& peer, const Json& params, const Stop& ending) -> Result<Json> {
                   const WaitRequest request = SEALIFT_TRY(parse_wait_request(params));
                   if (!request.certificate.empty() &&
                       (!shown || as_text(shown->envelope.bytes()) != request.certificate)) {
                     shown = SEALIFT_TRY(parse_certificate(as_bytes(request.certificate)));
                   }
                   // The first answer of a connection comes at once: so the reader knows that it is one.
                   const Milliseconds hold = reader ? kWaitHold : Milliseconds{0};
                   SEALIFT_TRY_STATUS(known(peer));
                   Batch batch = SEALIFT_TRY(reader->wait(request.position, Deadline::in(hold), ending));
                   SEALIFT_TRY_STATUS(known(peer));  // it may have lost its right meanwhile
                   return to_json(batch);
                 });
  service.method("traffic.members",
                 [&](const crypto::PublicKey& peer, const Json&, const Stop&) -> Result<Json> {
                   SEALIFT_TRY_STATUS(known(peer));
                   const std::uint64_t height = options_.ledger->final_height();
                   return to_json(members_of(*options_.ledger->final_state(), height));
                 });
  service.serve(std::move(connection), stop, limits_of_strangers());
}

void Service::serve_enrol(net::PeerConnection connection, const Stop& stop) {
  const Stranger stranger(strangers_);
  if (strangers_ > kStrangersMax) return;
  net::RpcService service;
  service.method("enrol.request", [this](const crypto::PublicKey& peer, const Json& params, const Stop&) {
    return enrol(peer, params);
  });
  service.serve(std::move(connection), stop, limits_of_strangers());
}

Result<Json> Service::enrol(const crypto::PublicKey& peer, const Json& params) {
  const EnrolRequest request = SEALIFT_TRY(parse_enrol_request(params));
  const std::uint64_t height = options_.ledger->final_height();
  const auto state = options_.ledger->final_state();
  Certificate certificate{.domain = state->domain(),
                          .issuer = options_.self,
                          .key = peer,
                          .name = request.name,
                          .until = options_.clock->wall()};
  {
    auto tickets = tickets_.lock();
    const auto found = tickets->find(request.id);
    const bool proven =
        found != tickets->end() && found->second.expires >= options_.clock->wall() &&
        equal_constant_time(
            enrol_proof(found->second.secret, certificate.domain, request.id, peer, request.name).view(),
            request.proof.view());
    if (!proven)
      return fail(
          Code::kUnauthorized,
          "that invitation is wrong, has expired, or its host's daemon was restarted since: ask for a "
          "new one (domain invite --balancer)");
    Ticket& ticket = found->second;
    if (ticket.used_by && *ticket.used_by != peer)
      return fail(Code::kUnauthorized, "the invitation was used by another balancer: ask for a new one");
    ticket.used_by = peer;
    certificate.until += ticket.right_valid;
  }
  if (state->key_known(peer))
    return fail(Code::kUnauthorized, "that key is a host's: a balancer has one of its own");
  log_info(
      "traffic.enrolled",
      {{"balancer", request.name.text()}, {"key", peer.hex()}, {"until", to_iso8601(certificate.until)}});
  const Bytes envelope = make_certificate(certificate, *options_.identity);
  return to_json(Enrolled{std::string(as_text(envelope)), members_of(*state, height)});
}

Result<std::string> Service::invite(const InviteOptions& options) {
  const auto state = options_.ledger->final_state();
  const auto self = state->member(options_.self);
  domain::Invitation invitation;
  invitation.kind = domain::InvitationKind::kBalancer;
  if (self) invitation.endpoints = net::parse_endpoints(self->info.endpoints);
  if (invitation.endpoints.empty())
    return fail(
        Code::kRefused,
        "this host takes no connections, so that nobody could use its invitation: invite from a member "
        "that has an address");
  const WallTime now = options_.clock->wall();
  invitation.domain = state->domain();
  invitation.inviter = {options_.self.text(), options_.identity->public_key()};
  std::array<std::uint8_t, kTicketIdBytes> id{};
  options_.random->fill(id);
  invitation.id = hex(id);
  invitation.secret = crypto::Secret::random(domain::kInvitationSecretBytes, *options_.random);
  invitation.expires = WallTime{std::chrono::floor<std::chrono::seconds>(now + options.line_valid)};
  auto tickets = tickets_.lock();
  std::erase_if(*tickets, [&](const auto& item) { return item.second.expires < now; });
  if (tickets->size() >= kTicketsMax)
    return fail(Code::kExhausted, "{} invitations are outstanding: wait until some expire", kTicketsMax);
  (*tickets)[invitation.id] = {invitation.secret.clone(), invitation.expires, options.right_valid,
                               std::nullopt};
  return invitation.line();
}

}  // namespace sealift::traffic
