#include "image/qemu_img.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/process.hpp"
#include "image/raw_file.hpp"

namespace sealift::image {

namespace {

constexpr std::size_t kOutputBytesMax = 65536;

Result<Bytes> read_head(int fd, std::uint64_t file_bytes, const file::Path& path) {
  Bytes head(static_cast<std::size_t>(std::min<std::uint64_t>(file_bytes, kQcow2HeaderBytesMax)));
  SEALIFT_TRY_STATUS(file::read_exact(fd, head, 0, path));
  return head;
}

}  // namespace

Result<ImageInfo> inspect(const file::Path& path, const std::string& format) {
  if (format != "raw" && format != "qcow2") {
    return fail(Code::kUnsupported,
                "image format '{}': sealift moves raw and qcow2; qemu-img convert makes one", format);
  }
  const UniqueFd fd = SEALIFT_TRY(file::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return fail_errno(errno, fmt::format("stat {}", path.string()));
  const auto allocated = static_cast<std::uint64_t>(facts.st_blocks) * 512;
  if (format == "raw") {
    const auto raw = SEALIFT_TRY(RawFile::open(path, Access::kReadOnly));
    ImageInfo info;
    info.format = "raw";
    info.virtual_bytes = raw->size_bytes();
    info.allocated_bytes = allocated;
    return info;
  }
  if (!S_ISREG(facts.st_mode)) return fail(Code::kInvalid, "{} is no regular file", path.string());
  const Bytes head = SEALIFT_TRY(read_head(fd.get(), static_cast<std::uint64_t>(facts.st_size), path));
  auto info = decode_qcow2_header(head);
  if (!info) return because(info.error(), path.string());
  info->allocated_bytes = allocated;
  return info;
}

Status create(const file::Path& path, const std::string& format, std::uint64_t virtual_bytes,
              Deadline deadline, const Stop& stop) {
  if (format == "raw") {
    const auto made = RawFile::create(path, virtual_bytes);
    return made ? Status{} : Status(std::unexpected(made.error()));
  }
  if (format != "qcow2")
    return fail(Code::kUnsupported, "image format '{}': raw and qcow2 can be made", format);
  SEALIFT_TRY_STATUS(check_disk_size(virtual_bytes));
  // Takes the name first: qemu-img would overwrite what is there.
  UniqueFd fd = SEALIFT_TRY(file::open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW));
  const auto made = process::run(
      {"qemu-img", "create", "-q", "-f", "qcow2", "--", path.string(), fmt::format("{}", virtual_bytes)},
      kOutputBytesMax, deadline, stop);
  Status outcome;
  if (!made) {
    outcome = std::unexpected(made.error());
  } else if (made->exit.code != 0 || made->exit.signal != 0) {
    outcome = fail(Code::kIo, "qemu-img create {}: {}", path.string(), made->text);
  } else {
    outcome = file::sync(fd.get(), path);
  }
  if (!outcome) {
    const Status removed = file::remove_tree(path);
    if (!removed) return because(outcome.error(), removed.error().message);
    return outcome;
  }
  return file::sync_directory(path.has_parent_path() ? path.parent_path() : file::Path("."));
}

}  // namespace sealift::image
