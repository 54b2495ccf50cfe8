#include "migrate/side_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "migrate/statement.hpp"

namespace sealift::migrate {

namespace {

constexpr std::uint8_t kBegin = 1;
constexpr std::uint8_t kBytes = 2;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kPieceBytes = 256 * 1024;

Result<std::uint64_t> size_of(const UniqueFd& fd, const file::Path& path) {
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat " + path.string());
  if (!S_ISREG(info.st_mode)) return fail(Code::kInvalid, "{} is no regular file", path.string());
  const auto bytes = static_cast<std::uint64_t>(info.st_size);
  if (bytes > kSideFileBytesMax) return fail(Code::kExhausted, "{} is larger than 2 GiB", path.string());
  return bytes;
}

std::vector<ledger::SealPart> list(const std::map<std::string, ledger::SealPart>& parts) {
  std::vector<ledger::SealPart> out;
  for (const auto& [name, part] : parts) out.push_back(part);
  return out;
}

}  // namespace

std::string part_name(const std::string& file) {
  return file == "vars.fd" ? "firmware" : "file/" + file;
}

Bytes encode_side_file_begin(const SideFileBegin& begin) {
  return Encoder().u8(kBegin).text(begin.name).u64(begin.bytes).take();
}

Result<SideFileRecord> decode_side_file_record(ByteView record) {
  if (record.empty()) return fail(Code::kCorrupt, "a side file's record is empty");
  if (record[0] == kBytes && record.size() > 1) return SideFileBytes{record.subspan(1)};
  if (record[0] != kBegin) return fail(Code::kCorrupt, "a side file's record of unknown kind {}", record[0]);
  const auto begin = [&]() -> Result<SideFileRecord> {
    Decoder in(record.subspan(1));
    SideFileBegin out;
    out.name = SEALIFT_TRY(in.text(kNameBytesMax));
    out.bytes = SEALIFT_TRY(in.u64());
    SEALIFT_TRY_STATUS(in.finish());
    return out;
  }();
  if (!begin) return fail(Code::kCorrupt, "a side file's beginning: {}", begin.error().message);
  return begin;
}

Status SideFileSender::send(const std::string& name, const Stop& stop) {
  const file::Path path = directory_ / name;
  const UniqueFd fd = SEALIFT_TRY(file::open(path, O_RDONLY | O_NOFOLLOW));
  const std::uint64_t bytes = SEALIFT_TRY(size_of(fd, path));
  const Bytes head = encode_side_file_begin({name, bytes});
  std::ranges::copy(head, writer_.buffer().begin());
  SEALIFT_TRY_STATUS(writer_.commit(head.size(), Deadline::never(), stop));
  crypto::Sha256 hash;
  for (std::uint64_t at = 0; at < bytes;) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, bytes - at));
    const MutableByteView out = writer_.buffer().first(piece + 1);
    out[0] = kBytes;
    SEALIFT_TRY_STATUS(file::read_exact(fd.get(), out.subspan(1), at, path));
    hash.update(out.subspan(1));
    SEALIFT_TRY_STATUS(writer_.commit(piece + 1, Deadline::never(), stop));
    at += piece;
  }
  parts_[name] = {part_name(name), std::string(kAlgorithmSha256), bytes, hash.finish()};
  return {};
}

std::vector<ledger::SealPart> SideFileSender::parts() const {
  return list(parts_);
}

Status SideFileReceiver::receive(const Stop& stop) {
  Status taken = take_records(stop);
  seen_.lock()->ended = true;
  seen_.notify_all();
  return taken;
}

Status SideFileReceiver::wait_all(const Stop& stop) {
  while (!stop.stopped()) {
    auto seen = seen_.lock();
    seen.wait_until(std::chrono::steady_clock::now() + Milliseconds{100},
                    [&](const Seen& s) { return s.ended || s.files >= names_.size(); });
    if (seen->files >= names_.size()) return {};
    if (seen->ended) return fail(Code::kCorrupt, "the side files did not come whole");
  }
  return fail(Code::kCancelled, "stopped");
}

Status SideFileReceiver::take_records(const Stop& stop) {
  while (true) {
    const auto record = SEALIFT_TRY(reader_.next(Deadline::never(), stop));
    if (!record) break;
    const SideFileRecord entry = SEALIFT_TRY(decode_side_file_record(*record));
    if (const auto* begins = std::get_if<SideFileBegin>(&entry)) {
      SEALIFT_TRY_STATUS(begin(*begins));
    } else {
      SEALIFT_TRY_STATUS(append(std::get<SideFileBytes>(entry).bytes));
    }
  }
  if (!name_.empty()) return fail(Code::kCorrupt, "the side file {} is cut short", name_);
  for (const std::string& name : names_)
    if (!parts_.contains(name)) return fail(Code::kCorrupt, "the side file {} did not come", name);
  return file::sync_directory(directory_);
}

Status SideFileReceiver::begin(const SideFileBegin& record) {
  if (!name_.empty()) return fail(Code::kCorrupt, "the side file {} is cut short", name_);
  name_ = record.name;
  expected_ = record.bytes;
  if (std::ranges::find(names_, name_) == names_.end() || expected_ > kSideFileBytesMax)
    return fail(Code::kCorrupt, "a side file that the definition does not have");
  const auto before = parts_.find(name_);
  const bool again = before != parts_.end();
  if (again && expected_ != before->second.bytes)
    return fail(Code::kCorrupt, "the side file {} came with another size than before", name_);
  // One that comes again is written in place: the waiting QEMU has it open, and a start from the disks reads
  // it.
  fd_ = SEALIFT_TRY(
      again ? file::open(directory_ / name_, O_WRONLY | O_NOFOLLOW)
            : file::open(directory_ / (name_ + ".incoming"), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW));
  arrived_ = 0;
  hash_ = {};
  return expected_ == 0 ? end_file() : Status{};
}

Status SideFileReceiver::append(ByteView bytes) {
  if (name_.empty() || bytes.size() > expected_ - arrived_)
    return fail(Code::kCorrupt, "a side file is longer than it said");
  SEALIFT_TRY_STATUS(file::write_exact(fd_.get(), bytes, arrived_, directory_ / name_));
  hash_.update(bytes);
  arrived_ += bytes.size();
  return arrived_ == expected_ ? end_file() : Status{};
}

Status SideFileReceiver::end_file() {
  SEALIFT_TRY_STATUS(file::sync(fd_.get(), directory_ / name_));
  fd_.reset();
  const bool again = parts_.contains(name_);
  if (!again)
    SEALIFT_TRY_STATUS(file::rename_durable(directory_ / (name_ + ".incoming"), directory_ / name_));
  parts_[name_] = {part_name(name_), std::string(kAlgorithmSha256), arrived_, hash_.finish()};
  name_.clear();
  seen_.lock()->files = parts_.size();
  seen_.notify_all();
  return {};
}

std::vector<ledger::SealPart> SideFileReceiver::parts() const {
  return list(parts_);
}

}  // namespace sealift::migrate
