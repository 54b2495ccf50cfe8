// A domain of two members with real chains, a move from one to the other, and its receipt: for tools that
// know C2SP and in-toto but nothing of sealift.

#include "emit.hpp"
#include "ledger/embedded/chain.hpp"
#include "ledger/receipt.hpp"

namespace sealift::thirdparty {

namespace {

struct Host {
  ledger::HostName name;
  crypto::Identity identity = crypto::Identity::generate();
  ledger::HostInfo info() const {
    return {name, identity.public_key(), {name.text() + ".example:7420"}, "ch", false};
  }
  crypto::NamedKey key() const { return {name.text(), identity.public_key()}; }
};

Result<Host> make_host(std::string_view name) {
  return Host{SEALIFT_TRY(ledger::HostName::parse(name))};
}

// The server's chain and a follower's; a record that order() has returned is final.
class Domain {
 public:
  static Result<Domain> make(const Host& server, const Host& follower) {
    const ledger::Genesis genesis =
        ledger::make_genesis(server.info(), {}, system_clock().wall(), system_random());
    Domain out;
    out.server_ = SEALIFT_TRY(open(genesis, server));
    out.follower_ = SEALIFT_TRY(open(genesis, follower));
    return out;
  }

  ledger::Chain& chain() { return *server_; }

  Result<ledger::RecordId> order(const ledger::Body& body, const Host& signer) {
    const Bytes record = ledger::make_record(server_->genesis().id(), body, signer.identity);
    const auto appended = SEALIFT_TRY(server_->append({record}, system_clock().wall()));
    const auto& outcome = appended.outcomes.at(0);
    if (!appended.block)
      return fail(Code::kRefused, "{} is not taken: {}", ledger::kind_name(body), outcome.reason);
    SEALIFT_TRY_STATUS(follower_->accept_block(*appended.block, ledger::Chain::Arrival::kLive));
    if (server_->height() > 1) SEALIFT_TRY_STATUS(cosign());  // the first block makes it a member
    const std::string checkpoint = SEALIFT_TRY(server_->checkpoint());
    SEALIFT_TRY(follower_->add_signatures(checkpoint));
    if (server_->final_height() != server_->height())
      return fail(Code::kInternal, "{} is not final", ledger::kind_name(body));
    return outcome.id;
  }

 private:
  static Result<std::unique_ptr<ledger::Chain>> open(const ledger::Genesis& genesis, const Host& host) {
    ledger::Store store = SEALIFT_TRY(ledger::Store::create_in_memory(genesis));
    return ledger::Chain::open(std::move(store), {host.name, host.identity.clone()});
  }

  // The follower's cosignature on the server's newest checkpoint, and back.
  Status cosign() {
    const std::string checkpoint = SEALIFT_TRY(server_->checkpoint());
    const crypto::NoteSignature signature = SEALIFT_TRY(follower_->cosign(checkpoint));
    crypto::UnverifiedNote note = SEALIFT_TRY(crypto::parse_note(as_bytes(checkpoint)));
    note.signatures.push_back(signature);
    const std::string cosigned = SEALIFT_TRY(crypto::encode_note(note.text, note.signatures));
    SEALIFT_TRY(server_->add_signatures(cosigned));
    return {};
  }

  std::unique_ptr<ledger::Chain> server_, follower_;
};

Result<ledger::MoveId> move_a_vm(Domain& domain, const Host& from, const Host& to) {
  const ledger::VmId vm = ledger::VmId::make(system_random());
  const crypto::Digest definition = crypto::sha256(as_bytes("definition"));
  const ledger::DomainId id = domain.chain().genesis().id();
  const auto hour_ms =
      static_cast<std::uint64_t>((system_clock().wall() + std::chrono::hours(1)).time_since_epoch().count());
  SEALIFT_TRY(domain.order(ledger::VmRegister{vm, {0}, 1, from.name, definition}, from));
  SEALIFT_TRY(domain.order(ledger::VmStart{vm, {0}, 2, {}, "power cut, \"offline\" in Zürich"}, from));
  const ledger::RecordId offer = SEALIFT_TRY(domain.order(
      ledger::MoveOffer{
          vm, {1}, 3, from.name, to.name, ledger::MoveMode::kLive, {{"vda", "qcow2", 1U << 30U}}, hour_ms},
      from));
  const ledger::MoveId move = ledger::move_id(offer);
  SEALIFT_TRY(domain.order(ledger::MoveAccept{{vm, {1}, 1, move}}, to));
  const ledger::Seal seal{
      id,
      move,
      vm,
      from.name,
      to.name,
      {1},
      {{"definition", "sha256", 10, definition},
       {"disk/vda", "blake3-leaves-256k", 1U << 30U, crypto::sha256(as_bytes("disk"))},
       {"memory/main", "transcript-sha256", 1U << 20U, crypto::sha256(as_bytes("memory"))}}};
  const Bytes sealed = ledger::make_seal(seal, from.identity);
  SEALIFT_TRY(domain.order(ledger::MoveCommit{{vm, {1}, 2, move}, sealed}, to));
  SEALIFT_TRY(domain.order(ledger::MoveStarted{{vm, {1}, 3, move}, "running"}, to));
  SEALIFT_TRY(domain.order(ledger::MoveClosed{{vm, {1}, 4, move}, "quarantined"}, from));
  return move;
}

Status add_log(Emitter& out, Domain& domain, const Host& server, const Host& follower,
               const std::string& receipt_file) {
  ledger::Chain& chain = domain.chain();
  const std::string checkpoint = SEALIFT_TRY(chain.checkpoint());
  const crypto::UnverifiedNote note = SEALIFT_TRY(crypto::parse_note(as_bytes(checkpoint)));
  const std::vector<crypto::NamedKey> keys = {server.key(), follower.key()};
  Log log{"ledger", checkpoint, ledger::log_origin(chain.genesis().id()), server.key(), {}, {}, receipt_file};
  for (const auto& cosignature : SEALIFT_TRY(crypto::verify_cosignatures(note, keys)))
    log.witnesses.emplace_back(cosignature.signer, cosignature.posix_seconds);
  if (log.witnesses.size() != keys.size()) return fail(Code::kInternal, "a cosignature is missing");
  for (std::uint64_t height = 1; height <= chain.height(); ++height)
    log.records.push_back(SEALIFT_TRY(chain.block(height)).header.encode());
  return out.add(log);
}

}  // namespace

Status write_ledger(Emitter& out) {
  const Host zurich = SEALIFT_TRY(make_host("zurich"));
  const Host bern = SEALIFT_TRY(make_host("bern"));
  Domain domain = SEALIFT_TRY(Domain::make(zurich, bern));
  SEALIFT_TRY(domain.order(ledger::HostJoin{1, bern.info(), ""}, zurich));
  const ledger::MoveId move = SEALIFT_TRY(move_a_vm(domain, zurich, bern));
  const Bytes receipt = SEALIFT_TRY(domain.chain().receipt(move));
  SEALIFT_TRY(ledger::verify_receipt(domain.chain().genesis(), receipt));
  SEALIFT_TRY_STATUS(out.write("ledger.receipt", receipt));
  SEALIFT_TRY_STATUS(add_log(out, domain, zurich, bern, "ledger.receipt"));
  for (const ledger::LogEntry& entry : SEALIFT_TRY(domain.chain().log(1, 100))) {
    const auto envelope = SEALIFT_TRY(crypto::parse_envelope(entry.envelope));
    const bool by_zurich = envelope.signatures().at(0).keyid == zurich.identity.public_key().id().hex();
    SEALIFT_TRY_STATUS(out.add(fmt::format("record-{}", entry.height), entry.envelope,
                               {(by_zurich ? zurich : bern).identity.public_key()}));
  }
  return {};
}

}  // namespace sealift::thirdparty
