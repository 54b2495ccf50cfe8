#include <unistd.h>

#include <csignal>

#include "app/cli.hpp"
#include "app/move_view.hpp"

namespace sealift::app {

namespace {

volatile std::sig_atomic_t interrupted = 0;

struct MigrateOptions {
  std::string vm;
  std::string to;
  bool live = false;
  bool cold = false;
  bool dry_run = false;
  bool drop_snapshots = false;
  bool detach = false;
  std::uint64_t max_downtime_ms = 300;
  std::uint64_t patience_s = 300;
  std::string bandwidth;
  std::uint64_t streams = 2;
  std::vector<std::string> map_net;
  std::vector<std::string> map_pool;
};

Result<Json> mapping(const std::vector<std::string>& pairs, std::string_view option) {
  Json map = Json::object();
  for (const std::string& pair : pairs) {
    const std::size_t at = pair.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == pair.size()) {
      return fail(Code::kInvalid, "{} {}: write HERE=THERE", option, pair);
    }
    map[pair.substr(0, at)] = pair.substr(at + 1);
  }
  return map;
}

bool ended(const Json& move) {
  return move.value("ended", false);
}

// Follows a move until it ends. Ctrl-C detaches and never harms the move.
Result<int> watch(const Cli& cli, const std::string& id) {
  api::Client client = cli.client();
  MoveView view(::isatty(STDOUT_FILENO) == 1 && !cli.json);
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::uint64_t version = 0;
  while (true) {
    const Json move = SEALIFT_TRY(
        client.get(fmt::format("/v1/moves/{}?after={}&wait_ms=500", api::encode_segment(id), version)));
    const bool changed = number_field(move, "version") != version;
    version = number_field(move, "version");
    if (cli.json) {
      if (changed) fmt::print("{}\n", json::dump(move));
      std::fflush(stdout);
    } else if (ended(move)) {
      view.finish(move);
    } else {
      view.update(move);
    }
    if (ended(move)) return field(move, "state") == "done" ? kExitOk : kExitRefused;
    if (interrupted != 0) {
      fmt::print(stderr,
                 "\ndetached; the move goes on. Follow it: sealift moves watch {0}; stop it: sealift moves "
                 "abort {0}\n",
                 id.substr(0, 8));
      return kExitOk;
    }
  }
}

Result<int> migrate(const Cli& cli, const MigrateOptions& options) {
  Json body = {{"vm", options.vm},
               {"to", options.to},
               {"mode", options.live   ? "live"
                        : options.cold ? "cold"
                                       : "auto"},
               {"max_downtime_ms", options.max_downtime_ms},
               {"patience_ms", options.patience_s * 1000},
               {"streams", options.streams},
               {"drop_snapshots", options.drop_snapshots},
               {"dry_run", options.dry_run},
               {"map_net", SEALIFT_TRY(mapping(options.map_net, "--map-net"))},
               {"map_pool", SEALIFT_TRY(mapping(options.map_pool, "--map-pool"))},
               {"bandwidth", options.bandwidth.empty() ? 0 : SEALIFT_TRY(parse_bytes(options.bandwidth))}};
  const Json answer = SEALIFT_TRY(cli.client().post("/v1/moves", body));
  if (!answer.value("refused", Json::array()).empty()) {
    if (!cli.printed_json(answer)) MoveView::refused(answer, options.vm);
    return kExitRefused;
  }
  if (options.dry_run) {
    if (cli.printed_json(answer)) return kExitOk;
    MoveView(false).head(answer);
    fmt::print("nothing moved (--dry-run); {} {}\n", options.vm, field(answer, "vm_is"));
    return kExitOk;
  }
  const std::string id = field(answer, "id");
  if (options.detach) {
    if (cli.printed_json(answer)) return kExitOk;
    MoveView(false).head(answer);
    fmt::print("move     {0} began; follow it: sealift moves watch {0}; stop it: sealift moves abort {0}\n",
               id.substr(0, 8));
    return kExitOk;
  }
  return watch(cli, id);
}

Result<int> list(const Cli& cli) {
  const Json answer = SEALIFT_TRY(cli.client().get("/v1/moves"));
  if (cli.printed_json(answer)) return kExitOk;
  std::vector<std::vector<std::string>> rows;
  for (const Json& move : answer.value("moves", Json::array())) {
    rows.push_back({field(move, "id").substr(0, 12), field(move, "vm"), field(move, "from"),
                    field(move, "to"), field(move, "mode"), field(move, "state"), field(move, "message")});
  }
  print_table({"MOVE", "VM", "FROM", "TO", "MODE", "STATE", "NOTE"}, rows);
  return kExitOk;
}

Result<int> show(const Cli& cli, const std::string& id) {
  const Json answer = SEALIFT_TRY(cli.client().get("/v1/moves/" + api::encode_segment(id)));
  if (cli.printed_json(answer)) return kExitOk;
  fmt::print("move     {}: {} from {} to {}, {}, {}; this host is the {}; began {}\n", field(answer, "id"),
             field(answer, "vm"), field(answer, "from"), field(answer, "to"), field(answer, "mode"),
             field(answer, "state") == "running" ? field(answer, "phase") : field(answer, "state"),
             field(answer, "role"), field(answer, "began"));
  MoveView view(false);
  ended(answer) ? view.finish(answer) : view.update(answer);
  return kExitOk;
}

Result<int> abort_move(const Cli& cli, const std::string& id) {
  const Json answer =
      SEALIFT_TRY(cli.client().post("/v1/moves/" + api::encode_segment(id) + "/abort", Json::object()));
  if (!cli.printed_json(answer)) fmt::print("{}\n", field(answer, "message"));
  return kExitOk;
}

Result<int> tune(const Cli& cli, const std::string& id, const std::string& bandwidth,
                 std::uint64_t max_downtime_ms) {
  Json body = Json::object();
  if (!bandwidth.empty()) body["bandwidth"] = SEALIFT_TRY(parse_bytes(bandwidth));
  if (max_downtime_ms > 0) body["max_downtime_ms"] = max_downtime_ms;
  const Json answer = SEALIFT_TRY(cli.client().post("/v1/moves/" + api::encode_segment(id) + "/tune", body));
  if (!cli.printed_json(answer)) fmt::print("{}\n", field(answer, "message"));
  return kExitOk;
}

void add_migrate(CLI::App& root, Cli& cli) {
  static MigrateOptions options;
  CLI::App& command = add_command(
      root, cli, "migrate",
      "Move a VM to another member: running (live) or powered off (cold). Everything is checked before "
      "anything moves; the VM stays usable here until the other side has verified every byte.",
      [&cli] { return migrate(cli, options); });
  command.add_option("vm", options.vm, "the VM's name or id")->required();
  command.add_option("--to", options.to, "the member that takes it")->required();
  auto* live = command.add_flag("--live", options.live, "refuse if the VM is not running");
  command.add_flag("--cold", options.cold, "refuse if the VM is not powered off")->excludes(live);
  command.add_option("--max-downtime", options.max_downtime_ms, "milliseconds the guest may pause")
      ->capture_default_str();
  command.add_option("--bandwidth", options.bandwidth,
                     "at most so many bytes a second, for example 100M (default: unlimited)");
  command
      .add_option("--patience", options.patience_s,
                  "seconds without progress (the guest writes as fast as the link carries) until the move is "
                  "given up; 0: go on until its deadline")
      ->capture_default_str()
      ->check(CLI::Range(0, 86'400));
  command.add_option("--streams", options.streams, "connections for the data")
      ->capture_default_str()
      ->check(CLI::Range(1, 8));
  command.add_option("--map-net", options.map_net, "HERE=THERE: network names differ");
  command.add_option("--map-pool", options.map_pool, "HERE=THERE: pool names differ");
  command.add_flag("--drop-snapshots", options.drop_snapshots,
                   "internal snapshots are not moved: agree to lose them");
  command.add_flag("--dry-run", options.dry_run, "check everything, move nothing");
  command.add_flag("--detach", options.detach, "do not wait for the end");
}

}  // namespace

void add_move_commands(CLI::App& root, Cli& cli) {
  add_migrate(root, cli);
  CLI::App& moves = *root.add_subcommand("moves", "Moves of this host, open and ended");
  moves.require_subcommand(1);
  static std::string id;
  static std::string bandwidth;
  static std::uint64_t max_downtime_ms = 0;
  const auto with_id = [](CLI::App& command) -> CLI::App& {
    command.add_option("move", id, "the move's id, or the first digits of it")->required();
    return command;
  };
  add_command(moves, cli, "list", "All of them", [&cli] { return list(cli); });
  with_id(add_command(moves, cli, "show", "Everything about one", [&cli] { return show(cli, id); }));
  with_id(add_command(moves, cli, "watch", "Follow one until it ends", [&cli] { return watch(cli, id); }));
  with_id(add_command(moves, cli, "abort",
                      "Stop one: the VM goes on here. Too late once it is committed; then this says so",
                      [&cli] { return abort_move(cli, id); }));
  CLI::App& tuned = with_id(add_command(moves, cli, "tune", "Change the limits of a move under way",
                                        [&cli] { return tune(cli, id, bandwidth, max_downtime_ms); }));
  tuned.add_option("--bandwidth", bandwidth, "at most so many bytes a second");
  tuned.add_option("--max-downtime", max_downtime_ms, "milliseconds the guest may pause");

  CLI::App& quarantine = *root.add_subcommand("quarantine", "Disks of VMs that left, kept for a while");
  quarantine.require_subcommand(1);
  static std::string entry;
  add_command(quarantine, cli, "list", "What is kept, and until when", [&cli]() -> Result<int> {
    const Json answer = SEALIFT_TRY(cli.client().get("/v1/quarantine"));
    if (cli.printed_json(answer)) return kExitOk;
    std::vector<std::vector<std::string>> rows;
    for (const Json& kept : answer.value("entries", Json::array())) {
      rows.push_back({field(kept, "id"), field(kept, "vm"), field(kept, "why"),
                      human_bytes(number_field(kept, "bytes")), field(kept, "until")});
    }
    print_table({"ENTRY", "VM", "WHY", "SIZE", "KEPT UNTIL"}, rows);
    return kExitOk;
  });
  CLI::App& purge = add_command(
      quarantine, cli, "purge", "Erase one entry now, or everything whose time is over",
      [&cli]() -> Result<int> {
        const Json answer = SEALIFT_TRY(cli.client().post("/v1/quarantine/purge", {{"entry", entry}}));
        if (!cli.printed_json(answer)) fmt::print("{}\n", field(answer, "message"));
        return kExitOk;
      });
  purge.add_option("entry", entry, "an entry's id (default: all that have expired)");
}

}  // namespace sealift::app
