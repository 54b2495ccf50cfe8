#pragma once

// One proved record of a receipt, and the receipt's JSON (internal to the module; receipt.hpp is the format).

#include <map>

#include "ledger/fields.hpp"
#include "ledger/receipt.hpp"
#include "ledger/record.hpp"

namespace sealift::ledger {

struct ReceiptItem {
  Bytes envelope;
  Bytes block;  // its header
  std::uint64_t index = 0, count = 0;
  std::vector<crypto::Digest> path;
  std::vector<crypto::Digest> log;
  std::optional<std::string> checkpoint;  // changes only
};
struct ReceiptRecords {
  ReceiptItem offer, commit;
};
struct ReceiptDocument {
  DomainId domain;
  MoveId move;
  ReceiptRecords records;
  std::vector<ReceiptItem> changes;
  std::string checkpoint;
  std::string tlog_proof;
};

template <class F>
void fields(F& f, Maybe<F, ReceiptItem>& v) {
  f("envelope", v.envelope, Limit{2 * kRecordBytesMax}), f("block", v.block, Limit{kTextBytesMax});
  f("index", v.index), f("count", v.count);
  f("path", v.path), f("log", v.log), f("checkpoint", v.checkpoint, Limit{2 * crypto::kNoteBytesMax});
}
template <class F>
void fields(F& f, Maybe<F, ReceiptRecords>& v) {
  f("offer", v.offer), f("commit", v.commit);
}
template <class F>
void fields(F& f, Maybe<F, ReceiptDocument>& v) {
  f("domain", v.domain), f("move", v.move), f("records", v.records), f("changes", v.changes);
  f("checkpoint", v.checkpoint, Limit{2 * crypto::kNoteBytesMax}),
      f("tlog_proof", v.tlog_proof, Limit{2 * crypto::kNoteBytesMax});
}

// c2sp.org/tlog-proof@v1: the proof that the block is a leaf under the checkpoint.
std::string tlog_proof_text(std::uint64_t index, std::span<const crypto::Digest> path,
                            std::string_view checkpoint);

}  // namespace sealift::ledger
