#include "ledger/membership.hpp"
#include "ledger/receipt_item.hpp"

namespace sealift::ledger {

namespace {

struct Maker {
  ReceiptSource& source;

  Result<ReceiptItem> item(const RecordPlace& place, std::uint64_t log_size) {
    const Block block = SEALIFT_TRY(source.block(place.height));
    if (place.index >= block.records.size())
      return fail(Code::kCorrupt, "block {} has no record {}", place.height, place.index);
    ReceiptItem item;
    item.envelope = block.records[place.index];
    item.block = block.header.encode();
    item.index = place.index;
    item.count = block.records.size();
    item.path = SEALIFT_TRY(prove_record(block, place.index));
    item.log = SEALIFT_TRY(source.log_proof(place.height, log_size));
    return item;
  }

  // A checkpoint that a quorum of the set cosigned, and how many blocks it covers.
  Result<std::pair<std::string, std::uint64_t>> checkpoint(std::uint64_t height, const MemberSet& set) {
    const Bytes note = SEALIFT_TRY(source.quorum_checkpoint(height, set));
    const SignedHead parsed = SEALIFT_TRY(parse_signed_head(note));
    return std::pair(std::string(as_text(note)), parsed.head.size);
  }
};

}  // namespace

std::string tlog_proof_text(std::uint64_t index, std::span<const crypto::Digest> path,
                            std::string_view checkpoint) {
  std::string text = fmt::format("c2sp.org/tlog-proof@v1\nindex {}\n", index);
  for (const crypto::Digest& hash : path) text += base64(hash.view()) + "\n";
  return text + "\n" + std::string(checkpoint);
}

Result<Bytes> make_receipt(const Genesis& genesis, const State& state, const MoveId& move,
                           ReceiptSource& source) {
  const auto known = state.move(move);
  if (!known) return fail(Code::kNotFound, "there is no move {}", move.hex());
  if (!known->commit) {
    return fail(Code::kNotFound, "move {} is {}: only a committed move has a receipt", move.hex(),
                to_string(known->status));
  }
  const RecordPlace offer = SEALIFT_TRY(source.place({move.digest}));
  const RecordPlace commit = SEALIFT_TRY(source.place(*known->commit));
  const auto changes = SEALIFT_TRY(source.membership_changes(commit.height));
  Maker maker{source};
  ReceiptDocument document;
  document.domain = genesis.id();
  document.move = move;
  MemberSet set = first_set(genesis);
  for (const RecordPlace& place : changes) {
    const auto [note, size] = SEALIFT_TRY(maker.checkpoint(place.height, set));
    ReceiptItem item = SEALIFT_TRY(maker.item(place, size));
    item.checkpoint = note;
    const Record record = SEALIFT_TRY(parse_record(item.envelope));
    set = SEALIFT_TRY(next_set(set, record.body));
    document.changes.push_back(std::move(item));
  }
  const auto [note, size] = SEALIFT_TRY(maker.checkpoint(commit.height, set));
  document.records.offer = SEALIFT_TRY(maker.item(offer, size));
  document.records.commit = SEALIFT_TRY(maker.item(commit, size));
  document.checkpoint = note;
  document.tlog_proof = tlog_proof_text(commit.height - 1, document.records.commit.log, note);
  Json whole = write_fields(document);
  whole["sealift_receipt"] = kReceiptVersion;
  return to_bytes(json::dump_pretty(whole) + "\n");
}

}  // namespace sealift::ledger
