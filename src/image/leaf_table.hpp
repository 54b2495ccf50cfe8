#pragma once

// The digests of all leaves of one disk, in a mapped file: resume journal, dedup index, manifest and input of
// the root at once.
//
// File, big-endian:
//   0   8   magic "SLFTLEAF"
//   8   4   version, 1
//   12  4   leaf bytes, 262144
//   16  8   disk bytes
//   24  8   number of leaves
//   32  4   digest algorithm, 1 = BLAKE3-256
//   36  28  zero
//   64  32  SHA-256 of bytes 0 to 63
//   96      zeros up to 4096, then 32 bytes per leaf: its digest; 32 zero bytes = not received.
// A file of another length is refused.
//
// Durable order at a receiver: the leaf's data is flushed first, then set(), then sync(). After a restart an
// entry is only a claim: a power failure may keep the table's page and lose the data's. Claims don't count
// (not in digest(), not in root()) until verify_claims() has read and hashed the bytes again.
//
// Root: RFC 6962 tree (SHA-256) over the leaf digests; a hole has the digest of as many zeros; the last leaf
// may be short. Interior nodes are kept, so root() hashes only the paths that changed.
//
// Threads: set(), clear(), digest() and claimed() from any number of threads, for distinct leaves at a time,
// sync() beside them; root() and verify_claims() by one thread while nobody sets.

#include <functional>
#include <memory>
#include <optional>

#include "base/file.hpp"
#include "base/stop.hpp"
#include "crypto/digest.hpp"
#include "image/block.hpp"

namespace sealift::image {

class LeafTable {
 public:
  // Opens the table at `path`, or makes an empty one. kCorrupt: damaged. kConflict: made for another size.
  static Result<std::unique_ptr<LeafTable>> open(const file::Path& path, std::uint64_t disk_bytes);
  // In memory only.
  static Result<std::unique_ptr<LeafTable>> temporary(std::uint64_t disk_bytes);
  ~LeafTable();

  std::uint64_t disk_bytes() const;
  std::uint64_t leaves() const;

  // The digest of a leaf that counts; none while it is missing or only claimed.
  std::optional<crypto::Digest> digest(std::uint64_t leaf) const;
  // What the file says, verified or not.
  std::optional<crypto::Digest> claimed(std::uint64_t leaf) const;
  void set(std::uint64_t leaf,
           const crypto::Digest& digest);                   // its data is there (and durable, at a receiver)
  void set_zero(std::uint64_t first, std::uint64_t count);  // the same for leaves of zeros
  void clear(std::uint64_t leaf);                           // missing again
  const crypto::Digest& zero_digest(std::uint64_t leaf) const;
  std::uint64_t missing() const;  // leaves that don't count

  Status sync();  // the entries are durable
  // kConflict while leaves are missing: names how many and the first.
  Result<crypto::Digest> root();

  // Every claim counts. For who knows that the data and the table are of one moment: no power was lost since.
  void trust_claims();

  // Reads and hashes every leaf that is only claimed: equal counts from now on, different is cleared.
  // Returns how many count now.
  using Progress = std::function<void(std::uint64_t leaves_done, std::uint64_t leaves_all)>;
  Result<std::uint64_t> verify_claims(BlockSource& source, unsigned threads, const Stop& stop,
                                      const Progress& progress = {});

 private:
  struct State;
  explicit LeafTable(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sealift::image
