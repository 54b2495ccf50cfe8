#include "image/leaf_table.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/check.hpp"
#include "base/guarded.hpp"
#include "crypto/merkle.hpp"
#include "image/atomic_bits.hpp"
#include "image/hash_disk.hpp"
#include "image/leaf_table_header.hpp"

namespace sealift::image {

namespace {

constexpr crypto::Digest kMissing{};
// The kept tree starts at nodes over this many leaves: an eighth of the memory for 7 more hashes a change.
constexpr std::uint64_t kGroupLeaves = 8;

}  // namespace

struct LeafTable::State {
  State(UniqueFd fd_in, file::Path path_in, std::uint64_t bytes)
      : fd(std::move(fd_in)),
        path(std::move(path_in)),
        disk_bytes(bytes),
        leaves(leaf_count(bytes)),
        counts(leaves),
        changed((leaves + kGroupLeaves - 1) / kGroupLeaves),
        groups((leaves + kGroupLeaves - 1) / kGroupLeaves),
        tree(groups),
        missing(leaves) {
    const Bytes zeros(kLeafBytes);
    zero = crypto::blake3(zeros);
    if (leaves > 0) last_zero = crypto::blake3(ByteView(zeros).first(leaf_length(disk_bytes, leaves - 1)));
    zero_hash = crypto::merkle_leaf(zero.view());
  }
  ~State() {
    if (map != nullptr) ::munmap(map, map_bytes());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::size_t map_bytes() const { return leaf_table_file_bytes(disk_bytes); }
  std::uint8_t* entry(std::uint64_t leaf) const { return map + kLeafTableHeaderBytes + leaf * 32; }
  void touch(std::uint64_t leaf) { changed.set(leaf / kGroupLeaves); }
  Status map_file();
  crypto::Digest group_hash(std::uint64_t group) const;
  Status verify(LeafTable& table, BlockSource& source, std::uint64_t leaf, bool is_hole,
                MutableByteView scratch);

  UniqueFd fd;
  file::Path path;
  std::uint64_t disk_bytes;
  std::uint64_t leaves;
  AtomicBits counts;   // per leaf: verified since this start
  AtomicBits changed;  // per group: its node must be hashed again
  std::uint64_t groups;
  crypto::MerkleTree tree;
  std::atomic<std::uint64_t> missing;
  std::uint8_t* map = nullptr;
  crypto::Digest zero;
  crypto::Digest last_zero;
  crypto::Digest zero_hash;
};

Status LeafTable::State::map_file() {
  void* address = ::mmap(nullptr, map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) return fail_errno(errno, fmt::format("map {}", path.string()));
  map = static_cast<std::uint8_t*>(address);
  return {};
}

crypto::Digest LeafTable::State::group_hash(std::uint64_t group) const {
  std::array<crypto::Digest, kGroupLeaves> hashes;
  const std::uint64_t first = group * kGroupLeaves;
  const std::size_t count = static_cast<std::size_t>(std::min(kGroupLeaves, leaves - first));
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView digest(entry(first + i), 32);
    const bool is_zero = std::memcmp(digest.data(), zero.bytes.data(), 32) == 0;
    hashes[i] = is_zero ? zero_hash : crypto::merkle_leaf(digest);
  }
  return crypto::merkle_root(std::span(hashes).first(count));
}

Status LeafTable::State::verify(LeafTable& table, BlockSource& source, std::uint64_t leaf, bool is_hole,
                                MutableByteView scratch) {
  crypto::Digest actual = table.zero_digest(leaf);
  if (!is_hole) {
    const MutableByteView bytes = scratch.first(leaf_length(disk_bytes, leaf));
    SEALIFT_TRY_STATUS(source.read(leaf * kLeafBytes, bytes));
    actual = crypto::blake3(bytes);
  }
  if (actual == table.claimed(leaf)) {
    table.set(leaf, actual);
  } else {
    table.clear(leaf);
  }
  return {};
}

LeafTable::LeafTable(std::unique_ptr<State> state) : state_(std::move(state)) {}
LeafTable::~LeafTable() = default;

Result<std::unique_ptr<LeafTable>> LeafTable::open(const file::Path& path, std::uint64_t disk_bytes) {
  UniqueFd fd = SEALIFT_TRY(open_leaf_table_file(path, disk_bytes));
  auto state = std::make_unique<State>(std::move(fd), path, disk_bytes);
  SEALIFT_TRY_STATUS(state->map_file());
  return std::unique_ptr<LeafTable>(new LeafTable(std::move(state)));
}

Result<std::unique_ptr<LeafTable>> LeafTable::temporary(std::uint64_t disk_bytes) {
  SEALIFT_TRY_STATUS(check_disk_size(disk_bytes));
  UniqueFd fd(::memfd_create("sealift-leaf-table", MFD_CLOEXEC));
  if (!fd) return fail_errno(errno, "make a leaf table in memory");
  auto state = std::make_unique<State>(std::move(fd), "(memory)", disk_bytes);
  if (::ftruncate(state->fd.get(), static_cast<off_t>(state->map_bytes())) != 0) {
    return fail_errno(errno, "make a leaf table in memory");
  }
  SEALIFT_TRY_STATUS(state->map_file());
  return std::unique_ptr<LeafTable>(new LeafTable(std::move(state)));
}

std::uint64_t LeafTable::disk_bytes() const {
  return state_->disk_bytes;
}
std::uint64_t LeafTable::leaves() const {
  return state_->leaves;
}
std::uint64_t LeafTable::missing() const {
  return state_->missing;
}

std::optional<crypto::Digest> LeafTable::claimed(std::uint64_t leaf) const {
  SEALIFT_CHECK(leaf < state_->leaves);
  crypto::Digest digest;
  std::memcpy(digest.bytes.data(), state_->entry(leaf), 32);
  if (digest == kMissing) return std::nullopt;
  return digest;
}

std::optional<crypto::Digest> LeafTable::digest(std::uint64_t leaf) const {
  SEALIFT_CHECK(leaf < state_->leaves);
  if (!state_->counts.test(leaf)) return std::nullopt;
  return claimed(leaf);
}

void LeafTable::set(std::uint64_t leaf, const crypto::Digest& digest) {
  SEALIFT_CHECK(leaf < state_->leaves);
  std::memcpy(state_->entry(leaf), digest.bytes.data(), 32);
  if (state_->counts.set(leaf)) --state_->missing;
  state_->touch(leaf);
}

void LeafTable::set_zero(std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t leaf = first; leaf < first + count; ++leaf) set(leaf, zero_digest(leaf));
}

void LeafTable::clear(std::uint64_t leaf) {
  SEALIFT_CHECK(leaf < state_->leaves);
  std::memset(state_->entry(leaf), 0, 32);
  if (state_->counts.reset(leaf)) ++state_->missing;
}

const crypto::Digest& LeafTable::zero_digest(std::uint64_t leaf) const {
  SEALIFT_CHECK(leaf < state_->leaves);
  return leaf + 1 == state_->leaves ? state_->last_zero : state_->zero;
}

Status LeafTable::sync() {
  if (::msync(state_->map, state_->map_bytes(), MS_SYNC) != 0) {
    return fail_errno(errno, fmt::format("make {} durable", state_->path.string()));
  }
  return {};
}

Result<crypto::Digest> LeafTable::root() {
  State& state = *state_;
  if (state.missing != 0) {
    std::uint64_t first = 0;
    while (state.counts.test(first)) ++first;
    return fail(Code::kConflict, "{} of {} leaves are missing, the first is {}", state.missing.load(),
                state.leaves, first);
  }
  state.changed.drain([&](std::uint64_t group) { state.tree.set(group, state.group_hash(group)); });
  return state.tree.root();
}

void LeafTable::trust_claims() {
  for (std::uint64_t leaf = 0; leaf < state_->leaves; ++leaf)
    if (const auto digest = claimed(leaf)) set(leaf, *digest);
}

Result<std::uint64_t> LeafTable::verify_claims(BlockSource& source, unsigned threads, const Stop& stop,
                                               const Progress& progress) {
  State& state = *state_;
  if (source.size_bytes() != state.disk_bytes) {
    return fail(Code::kConflict, "the disk has {} bytes, its leaf table is for {}", source.size_bytes(),
                state.disk_bytes);
  }
  Guarded<std::uint64_t> done{0};
  const auto check = [&](std::uint64_t first, std::uint64_t count, MutableByteView scratch) -> Status {
    std::uint64_t at = first;
    while (at < first + count && (state.counts.test(at) || !claimed(at))) ++at;
    if (at < first + count) {
      const auto zeros = SEALIFT_TRY(zero_leaves(source, first, count));
      for (; at < first + count; ++at) {
        if (!state.counts.test(at) && claimed(at)) {
          SEALIFT_TRY_STATUS(state.verify(*this, source, at, zeros[at - first], scratch));
        }
      }
    }
    if (progress) progress(*done.lock() += count, state.leaves);
    return {};
  };
  SEALIFT_TRY_STATUS(for_each_run(state.leaves, threads, stop, check));
  return state.leaves - state.missing;
}

}  // namespace sealift::image
