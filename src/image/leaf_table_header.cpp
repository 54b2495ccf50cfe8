#include "image/leaf_table_header.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.hpp"
#include "crypto/digest.hpp"
#include "image/block.hpp"

namespace sealift::image {

namespace {

constexpr std::size_t kSummedBytes = 64;
constexpr std::string_view kMagic = "SLFTLEAF";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kBlake3 = 1;

Status make_file(int fd, const file::Path& path, std::uint64_t disk_bytes) {
  // Space for all entries now: a mapped page without space would be a SIGBUS later.
  const auto bytes = static_cast<off_t>(leaf_table_file_bytes(disk_bytes));
  const int error_number = ::posix_fallocate(fd, 0, bytes);
  if (error_number != 0) {
    static_cast<void>(::ftruncate(fd, 0));
    return fail_errno(error_number,
                      fmt::format("reserve {} bytes for the leaf table {}", bytes, path.string()));
  }
  SEALIFT_TRY_STATUS(file::sync(fd, path));
  SEALIFT_TRY_STATUS(file::write_exact(fd, encode_leaf_table_header(disk_bytes), 0, path));
  SEALIFT_TRY_STATUS(file::sync(fd, path));
  return file::sync_directory(path.has_parent_path() ? path.parent_path() : file::Path("."));
}

}  // namespace

std::size_t leaf_table_file_bytes(std::uint64_t disk_bytes) {
  return kLeafTableHeaderBytes + static_cast<std::size_t>(leaf_count(disk_bytes)) * 32;
}

Bytes encode_leaf_table_header(std::uint64_t disk_bytes) {
  Encoder encoder;
  encoder.raw(as_bytes(kMagic)).u32(kVersion).u32(kLeafBytes).u64(disk_bytes).u64(leaf_count(disk_bytes));
  encoder.u32(kBlake3).raw(Bytes(28));
  SEALIFT_CHECK(encoder.bytes().size() == kSummedBytes);
  encoder.raw(crypto::sha256(encoder.bytes()).view());
  Bytes header = encoder.take();
  header.resize(kLeafTableHeaderBytes);
  return header;
}

Status check_leaf_table_header(ByteView head, std::uint64_t disk_bytes) {
  Decoder decoder(head);
  const ByteView magic = SEALIFT_TRY(decoder.raw(kMagic.size()));
  if (as_text(magic) != kMagic) return fail(Code::kCorrupt, "the file is no leaf table");
  const std::uint32_t version = SEALIFT_TRY(decoder.u32());
  if (version != kVersion) {
    return fail(Code::kUnsupported, "version {}, this sealift knows {}", version, kVersion);
  }
  const std::uint32_t leaf_bytes = SEALIFT_TRY(decoder.u32());
  const std::uint64_t made_for = SEALIFT_TRY(decoder.u64());
  const std::uint64_t leaves = SEALIFT_TRY(decoder.u64());
  const std::uint32_t algorithm = SEALIFT_TRY(decoder.u32());
  SEALIFT_TRY(decoder.raw(28));
  const ByteView sum = SEALIFT_TRY(decoder.raw(32));
  const crypto::Digest expected = crypto::sha256(head.first(kSummedBytes));
  if (!equal_constant_time(sum, expected.view())) return fail(Code::kCorrupt, "the header is damaged");
  if (leaf_bytes != kLeafBytes || algorithm != kBlake3) {
    return fail(Code::kUnsupported, "leaves of {} bytes, digest algorithm {}", leaf_bytes, algorithm);
  }
  if (made_for != disk_bytes || leaves != leaf_count(disk_bytes)) {
    return fail(Code::kConflict, "made for a disk of {} bytes, this one has {}", made_for, disk_bytes);
  }
  return {};
}

Result<UniqueFd> open_leaf_table_file(const file::Path& path, std::uint64_t disk_bytes) {
  SEALIFT_TRY_STATUS(check_disk_size(disk_bytes));
  UniqueFd fd = SEALIFT_TRY(file::open(path, O_RDWR | O_CREAT | O_NOFOLLOW));
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return fail_errno(errno, fmt::format("stat {}", path.string()));
  Bytes head(kLeafTableHeaderBytes);
  const bool whole_head = facts.st_size >= static_cast<off_t>(head.size());
  if (whole_head) SEALIFT_TRY_STATUS(file::read_exact(fd.get(), head, 0, path));
  // Shorter than a header, or the header still zeros: the one who made it did not get further.
  if (!whole_head || all_zero(head)) {
    SEALIFT_TRY_STATUS(make_file(fd.get(), path, disk_bytes));
    return fd;
  }
  const Status usable = check_leaf_table_header(head, disk_bytes);
  if (!usable) return because(usable.error(), fmt::format("leaf table {}", path.string()));
  if (facts.st_size != static_cast<off_t>(leaf_table_file_bytes(disk_bytes))) {
    return fail(Code::kCorrupt, "{}: the leaf table is cut short", path.string());
  }
  return fd;
}

}  // namespace sealift::image
