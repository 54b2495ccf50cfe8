#include "image/qemu_nbd.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/json.hpp"

namespace sealift::image {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLogTailBytes = 2048;

// QEMU's block options as one json: name: the format is given, backing files are cut off ("backing": null).
// (External data files are refused before: inspect() says external_data.)
std::string image_name(const QemuNbdOptions& options) {
  Json node = {{"driver", options.format},
               {"file", {{"driver", "file"}, {"filename", options.image.string()}}}};
  if (options.format == "qcow2") node["backing"] = nullptr;
  return "json:" + json::dump(node);
}

std::vector<std::string> command_line(const QemuNbdOptions& options) {
  std::vector<std::string> argv = {"qemu-nbd", "--socket=" + options.socket.string(),
                                   fmt::format("--shared={}", options.connections), "--persistent"};
  if (options.access == Access::kReadOnly) {
    argv.emplace_back("--read-only");
  } else {
    argv.insert(argv.end(), {"--cache=writeback", "--discard=unmap", "--detect-zeroes=off"});
  }
  argv.push_back(image_name(options));
  return argv;
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
  if (options.socket.string().size() >= 107) {
    return fail(Code::kInvalid, "the socket's path {} is longer than unix sockets allow",
                options.socket.string());
  }
  if (::unlink(options.socket.c_str()) != 0 && errno != ENOENT) {
    return fail_errno(errno, fmt::format("remove the old socket {}", options.socket.string()));
  }
  const ProcessName process = SEALIFT_TRY(process::spawn(
      {.argv = command_line(options), .output = options.log, .fds = {}, .drop_to = options.drop_to}));
  std::unique_ptr<QemuNbd> server(new QemuNbd(options, process));
  // It has no way to say that it is ready but its socket. Connecting is cheap, so ask often, up to 20 ms
  // apart.
  NbdOptions probe = server->connection();
  probe.connections = 1;
  for (Milliseconds pause = 1ms; true; pause = std::min<Milliseconds>(pause * 2, 20ms)) {
    struct stat facts{};
    if (::stat(options.socket.c_str(), &facts) == 0 && NbdDisk::open(probe, options.access, deadline, stop))
      break;
    if (process::state(process) == ProcessState::kGone) {
      static_cast<void>(process::wait(process, Deadline::in(1s), Stop()));
      server->ended_ = true;
      return fail(Code::kIo, "qemu-nbd could not serve {}{}", options.image.string(), tail_of(options.log));
    }
    if (deadline.passed())
      return fail(Code::kTimeout, "qemu-nbd did not serve {} in time", options.image.string());
    if (stop.sleep(pause)) return fail(Code::kCancelled, "stopped while qemu-nbd started");
  }
  return server;
}

QemuNbd::~QemuNbd() {
  if (!end(Deadline::in(5s))) static_cast<void>(process::kill_hard(process_, Deadline::in(5s)));
}

Status QemuNbd::end(Deadline deadline) {
  if (ended_) return {};
  const Status sent = process::signal(process_, SIGTERM);
  if (!sent && sent.error().code != Code::kNotFound) return sent;
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
