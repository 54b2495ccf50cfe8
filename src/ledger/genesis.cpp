#include "ledger/genesis.hpp"

#include <set>

#include "ledger/fields.hpp"

namespace sealift::ledger {

template <class F>
void fields(F& f, Maybe<F, Genesis>& v) {
  f("created_ms", v.created_ms), f("nonce", v.nonce), f("rules", v.rules_version);
  f("founders", v.founders), f("policy", v.policy);
}

namespace {

constexpr const char* kVersionField = "sealift_genesis";

Result<Genesis> parse_inner(ByteView bytes) {
  Json whole = SEALIFT_TRY(json::parse(as_text(bytes), kGenesisBytesMax));
  const std::uint64_t version = SEALIFT_TRY(json::number(whole, kVersionField));
  if (version != 1)
    return fail(Code::kUnsupported, "it is version {}, this sealift knows version 1: upgrade", version);
  whole.erase(kVersionField);
  Genesis genesis = SEALIFT_TRY(read_fields<Genesis>(whole));
  if (genesis.founders.empty() || genesis.founders.size() > kMembersMax)
    return fail(Code::kInvalid, "it names {} founders instead of 1 to {}", genesis.founders.size(),
                kMembersMax);
  std::set<HostName> names;
  std::set<crypto::PublicKey> keys;
  for (const HostInfo& founder : genesis.founders) {
    if (!names.insert(founder.name).second || !keys.insert(founder.key).second)
      return fail(Code::kInvalid, "founder {} is there twice (or its key is)", founder.name.text());
    if (founder.endpoints.size() > kEndpointsMax)
      return fail(Code::kInvalid, "founder {} has more than {} endpoints", founder.name.text(),
                  kEndpointsMax);
  }
  if (genesis.rules_version == 0) return fail(Code::kInvalid, "rules version 0 does not exist");
  genesis.bytes.assign(bytes.begin(), bytes.end());
  return genesis;
}

}  // namespace

Genesis make_genesis(const HostInfo& founder, const Policy& policy, WallTime created, Random& random) {
  Genesis genesis;
  genesis.created_ms = static_cast<std::uint64_t>(created.time_since_epoch().count());
  random.fill(genesis.nonce.bytes);
  genesis.founders = {founder};
  genesis.policy = policy;
  Json whole = write_fields(genesis);
  whole[kVersionField] = 1;
  genesis.bytes = to_bytes(json::dump_pretty(whole) + "\n");
  return genesis;
}

Result<Genesis> parse_genesis(ByteView bytes) {
  auto genesis = parse_inner(bytes);
  if (!genesis) return because(genesis.error(), "not a genesis file");
  return genesis;
}

}  // namespace sealift::ledger
