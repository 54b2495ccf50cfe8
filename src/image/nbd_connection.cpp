#include "image/nbd_connection.hpp"

#include <libnbd.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace sealift::image::detail {

namespace {

// One request's length; the protocol's field has 32 bits, and servers refuse reads and writes above 32 MiB.
constexpr std::uint64_t kTransferBytesMax = std::uint64_t{32} << 20U;
constexpr std::uint64_t kRangeBytesMax = std::uint64_t{1} << 30U;
// NBD_NULL_COMPLETION is a C literal.
constexpr nbd_completion_callback kNoCompletion{.callback = nullptr, .user_data = nullptr, .free = nullptr};

std::string last_error() {
  const char* text = nbd_get_error();
  return text != nullptr ? text : "unknown error";
}

}  // namespace

NbdConnection::NbdConnection(nbd_handle* handle, const NbdOptions& options, const Stop& stop)
    : handle_(handle), peer_(options.socket.string()), io_timeout_(options.io_timeout), stop_(stop) {}

NbdConnection::~NbdConnection() {
  close();
}

void NbdConnection::close() {
  if (handle_ == nullptr) return;
  if (nbd_aio_is_ready(handle_) == 1 && nbd_aio_disconnect(handle_, 0) == 0) {
    // NBD_CMD_DISC has no answer; a second is ample for a socket buffer to take its 28 bytes.
    const Deadline soon = Deadline::in(Milliseconds(1000));
    while (nbd_aio_is_closed(handle_) != 1 && nbd_aio_is_dead(handle_) != 1 && turn(soon)) {
    }
  }
  nbd_close(handle_);
  handle_ = nullptr;
}

Result<std::unique_ptr<NbdConnection>> NbdConnection::open(const NbdOptions& options, Deadline deadline,
                                                           const Stop& stop) {
  nbd_handle* handle = nbd_create();
  if (handle == nullptr) return fail(Code::kInternal, "libnbd: {}", last_error());
  std::unique_ptr<NbdConnection> connection(new NbdConnection(handle, options, stop));
  SEALIFT_TRY_STATUS(connection->prepare(options));
  SEALIFT_TRY_STATUS(connection->connect(deadline));
  return connection;
}

Status NbdConnection::prepare(const NbdOptions& options) {
  // Every read either fills its buffer or fails, and a failed one is never used: no need to clear first.
  bool ok = nbd_set_export_name(handle_, options.export_name.c_str()) == 0 &&
            nbd_set_pread_initialize(handle_, false) == 0 &&
            nbd_add_meta_context(handle_, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0;
  if (ok && !options.dirty_bitmap.empty()) {
    const std::string context = "qemu:dirty-bitmap:" + options.dirty_bitmap;
    ok = nbd_add_meta_context(handle_, context.c_str()) == 0;
  }
  if (!ok) return fail(Code::kInvalid, "NBD options: {}", last_error());
  return {};
}

Status NbdConnection::connect(Deadline deadline) {
  if (nbd_aio_connect_unix(handle_, peer_.c_str()) != 0) return broken("connect to");
  while (nbd_aio_is_ready(handle_) != 1) {
    if (nbd_aio_is_dead(handle_) == 1 || nbd_aio_is_closed(handle_) == 1) return broken("connect to");
    SEALIFT_TRY_STATUS(turn(deadline));
  }
  return {};
}

Status NbdConnection::turn(Deadline deadline) {
  const unsigned direction = nbd_aio_get_direction(handle_);
  std::array<pollfd, 2> fds{};
  fds[0].fd = nbd_aio_get_fd(handle_);
  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) fds[0].events |= POLLIN;
  if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) fds[0].events |= POLLOUT;
  fds[1].fd = stop_.fd();
  fds[1].events = POLLIN;
  const int ready = ::poll(fds.data(), fds.size(), deadline.poll_timeout_ms());
  if (ready < 0 && errno == EINTR) return {};
  if (ready < 0) return fail_errno(errno, "poll");
  if (fds[1].revents != 0)
    return fail(Code::kCancelled, "stopped while waiting for the NBD server {}", peer_);
  if (ready == 0) return fail(Code::kTimeout, "the NBD server {} did not answer in time", peer_);
  // As libnbd's own poll loop does it: look at the direction again before writing, errors count as readable.
  int outcome = 0;
  if ((fds[0].revents & (POLLIN | POLLHUP)) != 0) {
    outcome = nbd_aio_notify_read(handle_);
  } else if ((fds[0].revents & POLLOUT) != 0) {
    outcome = nbd_aio_notify_write(handle_);
  } else if ((fds[0].revents & (POLLERR | POLLNVAL)) != 0) {
    return broken("talk to");
  }
  if (outcome != 0) return broken("talk to");
  return {};
}

std::unexpected<Error> NbdConnection::broken(std::string_view doing) {
  return fail(Code::kIo, "{} the NBD server {}: {}", doing, peer_, last_error());
}

Status NbdConnection::finish(std::int64_t cookie, std::string_view doing) {
  if (cookie < 0) return broken(doing);
  const auto id = static_cast<std::uint64_t>(cookie);
  const Deadline deadline = Deadline::in(io_timeout_);
  while (true) {
    const int done = nbd_aio_command_completed(handle_, id);
    if (done == 1) return {};
    if (done < 0) {
      const int error_number = nbd_get_errno();
      const std::string what = fmt::format("{} the NBD server {} ({})", doing, peer_, last_error());
      return error_number != 0 ? Status(fail_errno(error_number, what)) : Status(fail(Code::kIo, "{}", what));
    }
    const Status turned = turn(deadline);
    if (!turned) {
      // The server may still write into the caller's buffer's request: no way back for this connection.
      nbd_close(handle_);
      handle_ = nullptr;
      return turned;
    }
  }
}

Result<std::uint64_t> NbdConnection::size_bytes() {
  const std::int64_t size = nbd_get_size(handle_);
  if (size < 0) return broken("ask the size of");
  const auto bytes = static_cast<std::uint64_t>(size);
  const Status usable = check_disk_size(bytes);
  if (!usable) return because(usable.error(), fmt::format("NBD server {}", peer_));
  return bytes;
}

bool NbdConnection::read_only() {
  return nbd_is_read_only(handle_) != 0;
}

bool NbdConnection::has_context(const std::string& context) {
  return nbd_can_meta_context(handle_, context.c_str()) == 1;
}

Status NbdConnection::read(std::uint64_t offset, MutableByteView out) {
  while (!out.empty()) {
    if (handle_ == nullptr) return fail(Code::kIo, "the connection to the NBD server {} is gone", peer_);
    const MutableByteView part = out.first(std::min<std::size_t>(out.size(), kTransferBytesMax));
    const auto cookie = nbd_aio_pread(handle_, part.data(), part.size(), offset, kNoCompletion, 0);
    SEALIFT_TRY_STATUS(finish(cookie, "read from"));
    offset += part.size(), out = out.subspan(part.size());
  }
  return {};
}

Status NbdConnection::write(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    if (handle_ == nullptr) return fail(Code::kIo, "the connection to the NBD server {} is gone", peer_);
    const ByteView part = bytes.first(std::min<std::size_t>(bytes.size(), kTransferBytesMax));
    const auto cookie = nbd_aio_pwrite(handle_, part.data(), part.size(), offset, kNoCompletion, 0);
    SEALIFT_TRY_STATUS(finish(cookie, "write to"));
    offset += part.size(), bytes = bytes.subspan(part.size());
  }
  return {};
}

Status NbdConnection::zero(std::uint64_t offset, std::uint64_t length) {
  while (length > 0) {
    if (handle_ == nullptr) return fail(Code::kIo, "the connection to the NBD server {} is gone", peer_);
    const std::uint64_t part = std::min(length, kRangeBytesMax);
    SEALIFT_TRY_STATUS(finish(nbd_aio_zero(handle_, part, offset, kNoCompletion, 0), "clear at"));
    offset += part, length -= part;
  }
  return {};
}

Status NbdConnection::flush() {
  if (handle_ == nullptr) return fail(Code::kIo, "the connection to the NBD server {} is gone", peer_);
  return finish(nbd_aio_flush(handle_, kNoCompletion, 0), "flush at");
}

namespace {

// What one NBD_CMD_BLOCK_STATUS answered, clipped to what was asked.
struct StatusAnswer {
  std::string context;
  std::uint64_t offset = 0;
  std::uint64_t end = 0;
  const NbdConnection::Found* found = nullptr;
  bool malformed = false;
};

int take_extents(void* user, const char* context, std::uint64_t, std::uint32_t* entries, std::size_t count,
                 int*) {
  auto* answer = static_cast<StatusAnswer*>(user);
  if (answer->context != context) return 0;
  for (std::size_t i = 0; i + 1 < count; i += 2) {
    const std::uint64_t length = std::min<std::uint64_t>(entries[i], answer->end - answer->offset);
    if (answer->offset == answer->end) break;
    // Ranges below a sector would let a server make us count for ever.
    if (length < kSectorBytes) answer->malformed = true;
    if (answer->malformed) break;
    (*answer->found)(answer->offset, length, entries[i + 1]);
    answer->offset += length;
  }
  return 0;
}

}  // namespace

Status NbdConnection::block_status(const std::string& context, std::uint64_t offset, std::uint64_t length,
                                   const Found& found) {
  const std::uint64_t end = offset + length;
  while (offset < end) {
    if (handle_ == nullptr) return fail(Code::kIo, "the connection to the NBD server {} is gone", peer_);
    const std::uint64_t part = std::min(end - offset, kRangeBytesMax);
    StatusAnswer answer{.context = context, .offset = offset, .end = offset + part, .found = &found};
    const nbd_extent_callback callback{.callback = take_extents, .user_data = &answer, .free = nullptr};
    const auto cookie = nbd_aio_block_status(handle_, part, offset, callback, kNoCompletion, 0);
    SEALIFT_TRY_STATUS(finish(cookie, "ask the extents of"));
    if (answer.malformed || answer.offset == offset) {
      return fail(Code::kCorrupt, "the NBD server {} answered malformed extents at {}", peer_, offset);
    }
    offset = answer.offset;
  }
  return {};
}

}  // namespace sealift::image::detail
