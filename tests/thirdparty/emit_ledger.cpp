// A chain of blocks with real records: its log, its checkpoint cosigned by two members, and the records'
// envelopes, for tools that know C2SP and in-toto but nothing of sealift.

#include "emit.hpp"
#include "ledger/block.hpp"
#include "ledger/checkpoint.hpp"
#include "ledger/record.hpp"

namespace sealift::thirdparty {

namespace {

constexpr std::uint64_t kBlocks = 21;
constexpr std::uint64_t kStartMs = 1'800'000'000'000;

struct Member {
  ledger::HostName name;
  crypto::Identity identity = crypto::Identity::generate();
  crypto::NamedKey key() const { return {name.text(), identity.public_key()}; }
};

Result<Member> make_member(std::string_view name) {
  return Member{SEALIFT_TRY(ledger::HostName::parse(name))};
}

ledger::Body body_of(std::uint64_t height, const Member& owner) {
  const ledger::VmId vm = ledger::VmId::make(system_random());
  if (height % 3 == 0) return ledger::VmStart{vm, {0}, height, {}, "power cut, \"offline\" in Zürich"};
  if (height % 3 == 1) return ledger::VmRest{vm, {0}, height, crypto::sha256(as_bytes(vm.text())), ""};
  return ledger::VmRegister{vm, {0}, height, owner.name, crypto::sha256(as_bytes("definition"))};
}

}  // namespace

Status write_ledger(Emitter& out) {
  const Member server = SEALIFT_TRY(make_member("zurich"));
  const Member follower = SEALIFT_TRY(make_member("bern"));
  const ledger::HostInfo founder{
      server.name, server.identity.public_key(), {"zurich.example:7420"}, "ch", false};
  const ledger::Genesis genesis =
      ledger::make_genesis(founder, {}, WallTime{std::chrono::milliseconds{kStartMs}}, system_random());

  std::vector<Bytes> headers;
  crypto::Digest previous = genesis.id().digest;
  for (std::uint64_t height = 1; height <= kBlocks; ++height) {
    const Bytes record = ledger::make_record(genesis.id(), body_of(height, server), server.identity);
    if (height <= 3)
      SEALIFT_TRY_STATUS(out.add(fmt::format("record-{}", height), record, {server.identity.public_key()}));
    ledger::BlockHeader header;
    header.height = height;
    header.time_ms = kStartMs + height * 1000;
    header.previous = previous;
    header.records_root = ledger::records_root({&record, 1});
    previous = header.hash();
    headers.push_back(header.encode());
  }

  std::vector<crypto::Digest> leaves;
  for (const Bytes& header : headers) leaves.push_back(crypto::merkle_leaf(header));
  const ledger::LogHead head{genesis.id(), kBlocks, crypto::merkle_root(leaves), 1, server.name};
  constexpr std::uint64_t kSeconds = kStartMs / 1000 + kBlocks;
  const std::vector<crypto::NoteSignature> signatures = {
      ledger::sign_head(head, server.identity),
      ledger::cosign_head(head, server.name, server.identity, kSeconds),
      ledger::cosign_head(head, follower.name, follower.identity, kSeconds + 1)};
  return out.add(Log{"ledger",
                     SEALIFT_TRY(ledger::encode_signed_head(head, signatures)),
                     ledger::log_origin(genesis.id()),
                     server.key(),
                     {{server.key(), kSeconds}, {follower.key(), kSeconds + 1}},
                     headers});
}

}  // namespace sealift::thirdparty
