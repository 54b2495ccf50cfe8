#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "app/cli.hpp"

namespace sealift::app {

namespace {

constexpr std::size_t kDefinitionBytesMax = 256 * 1024;
constexpr char kDetach = 0x1d;  // Ctrl-]

std::string vm_path(const std::string& name) {
  return "/v1/vms/" + api::encode_segment(name);
}

Result<int> create(const Cli& cli, const std::string& path) {
  const std::string toml = SEALIFT_TRY(file::read_text(path, kDefinitionBytesMax));
  const Json answer = SEALIFT_TRY(cli.client().post(
      "/v1/vms", {{"file", std::filesystem::absolute(path).string()}, {"definition", toml}}));
  if (!cli.printed_json(answer)) {
    fmt::print("created {} ({}), powered off; start it: sealift vm start {}\n", field(answer, "name"),
               field(answer, "id"), field(answer, "name"));
  }
  return kExitOk;
}

Result<int> list(const Cli& cli) {
  const Json answer = SEALIFT_TRY(cli.client().get("/v1/vms"));
  if (cli.printed_json(answer)) return kExitOk;
  const Json vms = SEALIFT_TRY(json::array(answer, "vms"));
  if (vms.empty()) {
    fmt::print(
        "no VMs on this host; make one: sealift vm create vm.toml (sealift vm create --help shows one)\n");
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& vm : vms) {
    rows.push_back({field(vm, "name"), field(vm, "state"), field(vm, "epoch"),
                    human_bytes(number_field(vm, "memory_bytes")),
                    human_bytes(number_field(vm, "disk_bytes")), field(vm, "owner"), field(vm, "note")});
  }
  print_table({"NAME", "STATE", "EPOCH", "MEMORY", "DISKS", "OWNER", "NOTE"}, rows);
  return kExitOk;
}

Result<int> show(const Cli& cli, const std::string& name) {
  const Json answer = SEALIFT_TRY(cli.client().get(vm_path(name)));
  if (cli.printed_json(answer)) return kExitOk;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const char* key :
       {"name", "id", "state", "owner", "epoch", "accelerator", "machine", "cpu", "vcpus", "firmware", "pid",
        "console", "directory", "at_rest", "autostart", "move", "note"}) {
    if (field(answer, key) != "-") pairs.emplace_back(key, field(answer, key));
  }
  pairs.emplace_back("memory", human_bytes(number_field(answer, "memory_bytes")));
  for (const Json& disk : answer.value("disks", Json::array())) {
    pairs.emplace_back("disk " + field(disk, "name"),
                       fmt::format("{} {} in {}: {}", human_bytes(number_field(disk, "bytes")),
                                   field(disk, "format"), field(disk, "pool"), field(disk, "path")));
  }
  for (const Json& network : answer.value("networks", Json::array())) {
    pairs.emplace_back("network " + field(network, "name"),
                       fmt::format("{} on {}", field(network, "mac"), field(network, "on")));
  }
  print_pairs(pairs);
  return kExitOk;
}

Result<int> act(const Cli& cli, const std::string& name, const std::string& verb, const Json& body,
                const std::string& done) {
  const Json answer = SEALIFT_TRY(cli.client().post(vm_path(name) + "/" + verb, body));
  if (!cli.printed_json(answer)) {
    fmt::print("{} {}\n", name, done);
    if (field(answer, "note") != "-") fmt::print("note: {}\n", field(answer, "note"));
  }
  return kExitOk;
}

// Raw mode for the terminal, put back on every way out.
class RawTerminal {
 public:
  RawTerminal() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }

 private:
  termios before_{};
  bool active_ = false;
};

Result<UniqueFd> connect_console(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return fail(Code::kInvalid, "console path {} is too long", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return fail_errno(errno, fmt::format("open the console {}", path));
  }
  return fd;
}

bool copy_some(int from, int to, bool* detached) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::read(from, buffer.data(), buffer.size());
  if (got <= 0) return false;
  if (detached != nullptr && std::memchr(buffer.data(), kDetach, static_cast<std::size_t>(got)) != nullptr) {
    *detached = true;
    return false;
  }
  return ::write(to, buffer.data(), static_cast<std::size_t>(got)) == got;
}

Result<int> console(const Cli& cli, const std::string& name) {
  const Json answer = SEALIFT_TRY(cli.client().get(vm_path(name)));
  const std::string path = field(answer, "console");
  if (path == "-")
    return fail(Code::kConflict, "{} is {}: a console exists only while it runs", name,
                field(answer, "state"));
  const UniqueFd socket = SEALIFT_TRY(connect_console(path));
  fmt::print(stderr, "console of {}; Ctrl-] leaves it\n", name);
  const RawTerminal raw;
  bool input_open = true;
  bool detached = false;
  while (!detached) {
    std::array<pollfd, 2> waits{{{.fd = input_open ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
                                 {.fd = socket.get(), .events = POLLIN, .revents = 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (waits[0].revents != 0) input_open = copy_some(STDIN_FILENO, socket.get(), &detached);
    if (waits[1].revents != 0 && !copy_some(socket.get(), STDOUT_FILENO, nullptr)) break;
  }
  return kExitOk;
}

constexpr const char* kCreateHelp = R"(Make a VM on this host from a definition. A small one:

  name = "web-01"
  memory = "1G"
  vcpus = 1

  [[disk]]
  name = "vda"
  size = "10G"            # or: source = "/path/to/image.qcow2", copied into the pool
  format = "qcow2"        # or raw

  [[network]]
  name = "default"        # mapped by the host's configuration; "default" is the user network

Errors name file, line and key.)";

}  // namespace

void add_vm_commands(CLI::App& root, Cli& cli) {
  CLI::App& vm = *root.add_subcommand("vm", "VMs of this host");
  vm.require_subcommand(1);
  static std::string name;
  static std::string path;
  static std::string accept_changes;
  static std::string offline;
  static std::uint64_t deadline_seconds = 60;
  const auto with_name = [](CLI::App& command) -> CLI::App& {
    command.add_option("vm", name, "the VM's name or id")->required();
    return command;
  };

  CLI::App& created = add_command(vm, cli, "create", kCreateHelp, [&cli] { return create(cli, path); });
  created.add_option("file", path, "the definition, TOML")->required();

  CLI::App& start =
      with_name(add_command(vm, cli, "start", "Start a VM that this host owns", [&cli]() -> Result<int> {
        Json body = Json::object();
        if (!accept_changes.empty()) body["accept_changes"] = accept_changes;
        if (!offline.empty()) body["offline"] = offline;
        return act(cli, name, "start", body, "started");
      }));
  start.add_option("--accept-changes", accept_changes,
                   "start although a sealed disk was altered while off; the reason is recorded");
  start.add_option(
      "--offline", offline,
      "start although the domain cannot be asked; the reason is recorded. If the VM was recovered elsewhere "
      "meanwhile, it then runs twice");

  CLI::App& stop = with_name(add_command(vm, cli, "stop", "Press the power button and wait", [&cli] {
    return act(cli, name, "stop", {{"deadline_seconds", deadline_seconds}}, "stopped");
  }));
  stop.add_option("--deadline", deadline_seconds,
                  "seconds to wait for the guest; it is left running after that")
      ->capture_default_str();

  with_name(add_command(vm, cli, "kill", "End a VM at once, as a power failure would",
                        [&cli] { return act(cli, name, "kill", Json::object(), "killed"); }));
  with_name(add_command(
      vm, cli, "remove", "Retire a VM that is off: it leaves the ledger for ever, its disks go to quarantine",
      [&cli] { return act(cli, name, "remove", Json::object(), "removed; its disks are in quarantine"); }));
  with_name(add_command(vm, cli, "show", "Everything about one VM", [&cli] { return show(cli, name); }));
  with_name(
      add_command(vm, cli, "console", "Attach to the serial console", [&cli] { return console(cli, name); }));
  add_command(vm, cli, "list", "The VMs of this host", [&cli] { return list(cli); });

  static std::string fence;
  static std::string to;
  static std::string from;
  static std::string root_digest;
  CLI::App& recover = with_name(add_command(
      vm, cli, "recover",
      "The owner is lost: this host (or --to) becomes the new one, from a copy (k members must agree). You "
      "state how "
      "the old one is fenced: powered off, or its QEMU seen dead. Cut off from the network is no fence: it "
      "would run "
      "the VM twice. The VM is named by its id, or by a name that this host knew it by.",
      [&cli]() -> Result<int> {
        std::error_code error;
        const bool here = !from.empty() && std::filesystem::exists(from, error);
        const Json answer = SEALIFT_TRY(cli.client().post(
            vm_path(name) + "/recover", {{"to", to},
                                         {"fence", fence},
                                         {"from", here ? std::filesystem::absolute(from).string() : from},
                                         {"accept_changes", accept_changes},
                                         {"root", root_digest}}));
        if (!cli.printed_json(answer)) fmt::print("{}\n", field(answer, "message"));
        return kExitOk;
      }));
  recover.add_option(
      "--from", from,
      "the copy to start from: a quarantine entry of this host, or a directory with a backup (vm.toml or "
      "definition.json, and the disks)");
  recover.add_option("--fenced", fence, "how the lost host is known not to run it: recorded with your name");
  recover.add_option("--to", to, "the new owner; this host unless given");
  recover.add_option(
      "--accept-changes", accept_changes,
      "take a copy that is older than, or differs from, what the ledger recorded; the reason is recorded");
  recover.add_option("--root", root_digest, "root digest that the copy must have");
}

}  // namespace sealift::app
