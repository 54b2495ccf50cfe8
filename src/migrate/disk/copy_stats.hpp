#pragma once

// What a copy did and where its time went, readable at any time.

#include <cstdint>
#include <vector>

namespace sealift::migrate {

struct DiskCopied {
  std::uint64_t done_bytes = 0;  // of this round, holes included: sent (sender), written or known (receiver)
  std::uint64_t sent_bytes = 0;  // of all rounds, in data records, before compression
  std::uint64_t had_bytes = 0;   // of all rounds: not sent, because the destination had them
};

// Times are summed over the workers, so they may exceed the wall clock.
struct CopyStats {
  std::uint64_t read_bytes = 0;        // sender: read from the source
  std::uint64_t zero_bytes = 0;        // announced only
  std::uint64_t same_bytes = 0;        // the destination had them
  std::uint64_t data_bytes = 0;        // in data and zstd records, before compression
  std::uint64_t compressed_bytes = 0;  // of those: what was compressed, before
  std::uint64_t record_bytes = 0;      // records' plaintext, as it went over the wire
  double read_ms = 0;                  // sender; receiver: of an earlier copy
  double hash_ms = 0;
  double compress_ms = 0;  // receiver: decompress
  double send_ms = 0;      // sender: seal and wait for the window
  double receive_ms = 0;   // receiver: wait for and open records
  double write_ms = 0;     // receiver
  double flush_ms = 0;     // receiver: data and table made durable (beside the workers but for the rest)
  std::vector<DiskCopied> disks;
};

}  // namespace sealift::migrate
