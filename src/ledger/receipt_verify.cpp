// The verifier accepts nothing that it has not derived itself from the genesis: every check names what it
// checked.
#include "ledger/membership.hpp"
#include "ledger/receipt_item.hpp"
#include "ledger/rules.hpp"

namespace sealift::ledger {

namespace {

// An item whose record is shown to be in its block, and the block under the head.
struct Proved {
  Record record;
  BlockHeader block;
};

struct Verifier {
  const Genesis& genesis;
  const ReceiptDocument& document;
  MemberSet set;

  Result<Proved> prove(const ReceiptItem& item, const LogHead& head) const {
    Record record = SEALIFT_TRY(parse_record(item.envelope));
    if (record.domain != genesis.id()) return fail(Code::kCorrupt, "its record is of another domain");
    const BlockHeader block = SEALIFT_TRY(parse_block_header(item.block));
    if (block.rules_version == 0 || block.rules_version > kRulesVersionMax) {
      return fail(Code::kUnsupported,
                  "its block {} follows rules version {}, this sealift knows version {}: upgrade it",
                  block.height, block.rules_version, kRulesVersionMax);
    }
    if (item.count == 0 || item.count > kBlockRecordsMax)
      return fail(Code::kCorrupt, "its block is said to hold {} records", item.count);
    const auto in_block = crypto::verify_inclusion(crypto::merkle_leaf(item.envelope), item.index, item.count,
                                                   item.path, block.records_root);
    if (!in_block)
      return fail(Code::kCorrupt, "its record is not record {} of block {}", item.index, block.height);
    const auto in_log =
        crypto::verify_inclusion(block.leaf_hash(), block.height - 1, head.size, item.log, head.root);
    if (!in_log)
      return fail(Code::kCorrupt, "its block {} is not in the log that the checkpoint signs", block.height);
    return Proved{std::move(record), block};
  }

  // The head, cosigned by a quorum of the members who count.
  Result<std::pair<LogHead, std::vector<HostName>>> head(const std::string& note) const {
    const SignedHead parsed = SEALIFT_TRY(parse_signed_head(as_bytes(note)));
    if (parsed.head.domain != genesis.id())
      return fail(Code::kCorrupt, "the checkpoint is of another domain");
    auto names = SEALIFT_TRY(cosigners(parsed, set));
    if (names.size() < set.quorum()) {
      return fail(Code::kUnauthorized, "the checkpoint of block {} is cosigned by {} of {} members, {} must",
                  parsed.head.size, names.size(), set.members.size(), set.quorum());
    }
    // The server may have joined after the members who count here; where its key is known, it must have
    // signed.
    if (set.find(parsed.head.server.text()) != nullptr) SEALIFT_TRY_STATUS(verify_server(parsed, set));
    return std::pair(parsed.head, std::move(names));
  }

  Status check_members(const BlockHeader& block) const {
    if (block.members == set.digest()) return {};
    return fail(
        Code::kCorrupt,
        "block {} counts other members than the receipt's changes lead to: a membership change is missing, "
        "added or out of order",
        block.height);
  }

  Status signed_by(const Record& record, const HostName& name) const {
    const crypto::NamedKey* member = set.find(name.text());
    if (member == nullptr) return fail(Code::kUnauthorized, "{} is not a member", name.text());
    const auto verified =
        crypto::verify(record.envelope, record.envelope.payload_type(), std::span(&member->key, 1));
    if (!verified)
      return because(verified.error(),
                     fmt::format("{} is not signed by {}", kind_name(record.body), name.text()));
    return {};
  }

  Status walk_changes() {
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < document.changes.size(); ++i) {
      const auto one = [&]() -> Status {
        const ReceiptItem& item = document.changes[i];
        if (!item.checkpoint) return fail(Code::kInvalid, "it has no checkpoint");
        const auto [log_head, names] = SEALIFT_TRY(head(*item.checkpoint));
        const Proved proved = SEALIFT_TRY(prove(item, log_head));
        if (proved.block.height <= last)
          return fail(Code::kCorrupt, "its block {} is out of order", proved.block.height);
        SEALIFT_TRY_STATUS(check_members(proved.block));
        last = proved.block.height;
        set = SEALIFT_TRY(next_set(set, proved.record.body));
        return {};
      };
      if (const Status status = one(); !status)
        return because(status.error(), fmt::format("membership change {}", i + 1));
    }
    return {};
  }
};

std::string in_words(const ReceiptFacts& facts, const MoveOffer& offer, const LogHead& head) {
  std::string cosigned;
  for (const HostName& name : facts.cosigned_by) cosigned += (cosigned.empty() ? "" : ", ") + name.text();
  std::string text = fmt::format(
      "VM {} moved {} from {} to {}: {} owns it from epoch {} on.\n"
      "Committed in block {} of domain {}, term {}, at {}.\n"
      "Sealed by {}, received and committed by {}; both signed the same root {}.\n",
      facts.vm.text(), facts.mode == MoveMode::kLive ? "while it ran" : "powered off", facts.from.text(),
      facts.to.text(), facts.to.text(), facts.epoch.value, facts.height, facts.domain.hex(), facts.term,
      to_iso8601(facts.time), facts.from.text(), facts.to.text(), facts.seal.root().hex());
  for (const SealPart& part : facts.seal.parts) {
    const bool memory = part.name.starts_with("memory/");
    text += fmt::format("  {}: {} bytes, {} {}{}\n", part.name, part.bytes, part.algorithm, part.digest.hex(),
                        memory ? " (both ends agree, no content digest)" : "");
  }
  text += fmt::format(
      "Offered with {} disks, deadline {}.\n", offer.disks.size(),
      to_iso8601(WallTime{std::chrono::milliseconds{static_cast<std::int64_t>(offer.deadline_ms)}}));
  text += fmt::format("The log up to block {} was cosigned by {} ({} of {} members).\n", head.size, cosigned,
                      facts.cosigned_by.size(), facts.members);
  return text;
}

Result<ReceiptFacts> verify_document(const Genesis& genesis, const ReceiptDocument& document) {
  if (document.domain != genesis.id()) {
    return fail(Code::kCorrupt, "it is a receipt of domain {}, the genesis file is domain {}",
                document.domain.hex(), genesis.id().hex());
  }
  Verifier verifier{genesis, document, first_set(genesis)};
  SEALIFT_TRY_STATUS(verifier.walk_changes());
  auto [head, names] = SEALIFT_TRY(verifier.head(document.checkpoint));
  const auto named = [](const auto& result, std::string_view what) { return because(result.error(), what); };
  auto offer = verifier.prove(document.records.offer, head);
  if (!offer) return named(offer, "the offer");
  auto commit = verifier.prove(document.records.commit, head);
  if (!commit) return named(commit, "the commit");
  const auto* offered = std::get_if<MoveOffer>(&offer->record.body);
  const auto* committed = std::get_if<MoveCommit>(&commit->record.body);
  if (offered == nullptr || move_id(offer->record.id) != document.move)
    return fail(Code::kCorrupt, "the offer is not the offer of move {}", document.move.hex());
  if (committed == nullptr || committed->move != document.move || committed->vm != offered->vm ||
      committed->epoch != offered->epoch) {
    return fail(Code::kCorrupt, "the commit is not the commit of move {}", document.move.hex());
  }
  if (offer->block.height > commit->block.height)
    return fail(Code::kCorrupt, "the offer comes after the commit");
  SEALIFT_TRY_STATUS(verifier.check_members(commit->block));
  SEALIFT_TRY_STATUS(verifier.signed_by(commit->record, offered->to));
  const crypto::NamedKey* source = verifier.set.find(offered->from.text());
  if (source == nullptr)
    return fail(Code::kUnauthorized, "the source {} is not a member", offered->from.text());
  const UnverifiedSeal unverified = SEALIFT_TRY(parse_seal(committed->seal));
  const Seal seal = SEALIFT_TRY(unverified.verify(source->key));
  const bool same = seal.domain == genesis.id() && seal.move == document.move && seal.vm == offered->vm &&
                    seal.from == offered->from && seal.to == offered->to && seal.epoch == offered->epoch;
  if (!same) return fail(Code::kCorrupt, "the seal is of another move, destination or epoch");
  if (commit->block.time_ms > offered->deadline_ms)
    return fail(Code::kCorrupt, "block {} is after the move's deadline", commit->block.height);
  if (document.tlog_proof !=
      tlog_proof_text(commit->block.height - 1, document.records.commit.log, document.checkpoint))
    return fail(Code::kCorrupt, "its tlog-proof text is not the proof of the commit's block");
  ReceiptFacts facts{genesis.id(),
                     document.move,
                     seal.vm,
                     seal.from,
                     seal.to,
                     seal.epoch,
                     offered->mode,
                     seal,
                     commit->block.height,
                     commit->block.term,
                     commit->block.time(),
                     std::move(names),
                     verifier.set.members.size(),
                     {}};
  facts.text = in_words(facts, *offered, head);
  return facts;
}

}  // namespace

Result<ReceiptFacts> verify_receipt(const Genesis& genesis, ByteView receipt) {
  const auto parsed = [&]() -> Result<ReceiptDocument> {
    Json whole = SEALIFT_TRY(json::parse(as_text(receipt), kReceiptBytesMax));
    const std::uint64_t version = SEALIFT_TRY(json::number(whole, "sealift_receipt"));
    if (version != kReceiptVersion) {
      return fail(Code::kUnsupported, "it is version {}, this sealift knows version {}: upgrade it", version,
                  kReceiptVersion);
    }
    whole.erase("sealift_receipt");
    return read_fields<ReceiptDocument>(whole);
  }();
  if (!parsed) return because(parsed.error(), "not a receipt");
  auto facts = verify_document(genesis, *parsed);
  if (!facts) return because(facts.error(), "the receipt proves nothing");
  return facts;
}

}  // namespace sealift::ledger
