#include "image/qemu_nbd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/json.hpp"
#include "base/log.hpp"
#include "image/qemu_img.hpp"

namespace sealift::image {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLogTailBytes = 2048;
constexpr std::size_t kSocketPathBytesMax = 107;
// Numbers of the descriptors that the process is given: the listening socket (sd_listen_fds(3) begins at 3)
// and the image.
constexpr int kListenerFd = 3;
constexpr int kImageFd = 4;
constexpr int kBacklog = 16;

// QEMU's block options as one json: name: the format is given, backing files are cut off ("backing": null).
// (Images with backing or data files are refused before.)
std::string image_name(const QemuNbdOptions& options) {
  Json node = {{"driver", options.format},
               {"file", {{"driver", "file"}, {"filename", fmt::format("/proc/self/fd/{}", kImageFd)}}}};
  if (options.format == "qcow2") node["backing"] = nullptr;
  return "json:" + json::dump(node);
}

// qemu-nbd takes a listening socket as services do, sd_listen_fds(3): LISTEN_PID must be its own pid, which
// only the process itself knows before exec.
std::vector<std::string> command_line(const QemuNbdOptions& options) {
  std::vector<std::string> argv = {"sh", "-c",       "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"",
                                   "sh", "qemu-nbd", fmt::format("--shared={}", options.connections + 1)};
  if (options.access == Access::kReadOnly) {
    argv.emplace_back("--read-only");
  } else {
    argv.insert(argv.end(), {"--cache=writeback", "--discard=unmap", "--detect-zeroes=off"});
  }
  argv.push_back(image_name(options));
  return argv;
}

Result<UniqueFd> listen_at(const file::Path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket.string();
  if (path.size() > kSocketPathBytesMax) {
    return fail(Code::kInvalid, "the socket's path {} is longer than unix sockets allow", path);
  }
  path.copy(static_cast<char*>(address.sun_path), path.size());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail_errno(errno, fmt::format("remove the old socket {}", path));
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return fail_errno(errno, fmt::format("listen at {}", path));
  }
  return fd;
}

// Our own copies of the descriptors are closed on return: when the process dies, who waits at the socket
// hears it at once.
Result<ProcessName> spawn_server(const QemuNbdOptions& options) {
  const int flags = (options.access == Access::kReadOnly ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK;
  const UniqueFd image = SEALIFT_TRY(file::open(options.image, flags));
  const UniqueFd listener = SEALIFT_TRY(listen_at(options.socket));
  // Duplicates that dup2() onto kListenerFd and kImageFd in the child can't hit.
  const UniqueFd high_listener(::fcntl(listener.get(), F_DUPFD_CLOEXEC, kImageFd + 1));
  const UniqueFd high_image(::fcntl(image.get(), F_DUPFD_CLOEXEC, kImageFd + 1));
  if (!high_listener || !high_image) return fail_errno(errno, "duplicate a descriptor");
  return process::spawn({.argv = command_line(options),
                         .output = options.log,
                         .fds = {{high_listener.get(), kListenerFd}, {high_image.get(), kImageFd}},
                         .drop_to = options.drop_to});
}

// What the process printed, for messages.
std::string tail_of(const file::Path& log) {
  if (log.empty()) return "";
  const auto text = file::read_text(log, std::size_t{1} << 20U);
  if (!text || text->empty()) return "";
  return ": " + text->substr(text->size() - std::min(text->size(), kLogTailBytes));
}

}  // namespace

QemuNbd::QemuNbd(QemuNbdOptions options, ProcessName process)
    : options_(std::move(options)), process_(process) {}

Result<std::unique_ptr<QemuNbd>> QemuNbd::start(const QemuNbdOptions& options, Deadline deadline,
                                                const Stop& stop) {
  if (options.format != "raw" && options.format != "qcow2") {
    return fail(Code::kUnsupported, "image format '{}': raw and qcow2 are served", options.format);
  }
  const ImageInfo info = SEALIFT_TRY(inspect(options.image, options.format));
  if (info.external_data || info.encrypted || !info.backing.empty()) {
    return fail(Code::kUnsupported, "{}: {} is not served", options.image.string(),
                info.external_data ? "a qcow2 image whose data is in another file"
                : info.encrypted   ? "an encrypted qcow2 image"
                                   : "a qcow2 image with a backing file");
  }
  const ProcessName process = SEALIFT_TRY(spawn_server(options));
  std::unique_ptr<QemuNbd> server(new QemuNbd(options, process));
  // The socket listens already: connecting waits for the handshake, and fails when the process dies.
  NbdOptions probe = server->connection();
  probe.connections = 1;
  auto disk = NbdDisk::open(probe, options.access, deadline, stop);
  if (disk) {
    server->lifeline_ = std::move(*disk);
    return server;
  }
  // An error of the connection, the process gone or about to be: its own words say more.
  const auto exit = process::wait(process, Deadline::in(500ms), stop);
  if (!exit) return because(disk.error(), fmt::format("serve {} by qemu-nbd", options.image.string()));
  server->ended_ = true;
  static_cast<void>(::unlink(options.socket.c_str()));
  return fail(Code::kIo, "qemu-nbd could not serve {}{}", options.image.string(), tail_of(options.log));
}

QemuNbd::~QemuNbd() {
  if (end(Deadline::in(5s))) return;
  const Status killed = process::kill_hard(process_, Deadline::in(5s));
  if (!killed) log_error("image.qemu_nbd_stays", {{"pid", process_.pid}, {"error", killed.error().message}});
}

Status QemuNbd::end(Deadline deadline) {
  if (ended_) return {};
  const Status sent = process::signal(process_, SIGTERM);
  if (!sent && sent.error().code != Code::kNotFound) return sent;
  lifeline_.reset();
  const auto exit = process::wait(process_, deadline, Stop());
  if (!exit) return because(exit.error(), fmt::format("end the qemu-nbd of {}", options_.image.string()));
  ended_ = true;
  ::unlink(options_.socket.c_str());
  if (!*exit || (*exit)->code != 0 || (*exit)->signal != 0) {
    return fail(Code::kIo, "the qemu-nbd of {} did not end in good order{}", options_.image.string(),
                tail_of(options_.log));
  }
  return {};
}

NbdOptions QemuNbd::connection() const {
  NbdOptions options;
  options.socket = options_.socket;
  options.connections = std::min(options_.connections, 16U);
  return options;
}

}  // namespace sealift::image
