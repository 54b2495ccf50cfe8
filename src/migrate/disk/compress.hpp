#pragma once

// zstd for single leaves, and the decision whether it pays.
//
// It pays where a leaf's bytes saved take longer on the link than the compression does. The link's speed is
// known only while it is the bottleneck: measured over stretches of 16 MiB in which the sender mostly waited
// for the window; a stretch without waiting only shows that the link is at least that fast. On a fast link
// (from about 4 Gbit/s per worker) nothing is compressed, on a slow one everything that shrinks. Leaves that
// don't shrink are found by compressing an eighth KiB-wise sample of them first.

#include <chrono>
#include <memory>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "migrate/disk/sender.hpp"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace sealift::migrate {

// Pure: times in, decision out.
class CompressionChoice {
 public:
  explicit CompressionChoice(Compression mode) : mode_(mode) {}

  bool pays() const;
  void compressed(std::size_t bytes, std::size_t into, std::chrono::nanoseconds time);
  // A record went out: how long the sender waited in commit, and the time since the record before it.
  void committed(std::size_t bytes, std::chrono::nanoseconds waited, std::chrono::nanoseconds all);

 private:
  Compression mode_;
  double link_ns_per_byte_ = 0;    // 0: faster than we can tell
  double saved_part_ = 0.5;        // of what was compressed lately
  double cost_ns_per_byte_ = 2.2;  // of compressing
  std::uint64_t stretch_bytes_ = 0;
  std::chrono::nanoseconds stretch_waited_{0};
  std::chrono::nanoseconds stretch_time_{0};
  std::uint64_t stretches_ = 0;
};

// One per worker.
class LeafCompressor {
 public:
  LeafCompressor();
  ~LeafCompressor();
  // The compressed form, valid until the next call; empty: it doesn't shrink by an eighth.
  ByteView compress(ByteView leaf);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  Bytes out_;
};

class LeafDecompressor {
 public:
  LeafDecompressor();
  ~LeafDecompressor();
  // Exactly `leaf_bytes` bytes, valid until the next call. kCorrupt: not zstd, fewer or more; never writes
  // more than a leaf, whatever the frame promises.
  Result<ByteView> decompress(ByteView compressed, std::size_t leaf_bytes);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  Bytes out_;
};

}  // namespace sealift::migrate
