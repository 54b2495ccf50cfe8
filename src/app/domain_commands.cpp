#include "app/cli.hpp"

namespace sealift::app {

namespace {

Result<int> members(const Cli& cli) {
  const Json answer = SEALIFT_TRY(cli.client().get("/v1/domain"));
  if (cli.printed_json(answer)) return kExitOk;
  fmt::print("domain {}, {} of {} members answer, a quorum is {}\n", field(answer, "id"),
             field(answer, "reachable"), field(answer, "size"), field(answer, "quorum"));
  std::vector<std::vector<std::string>> rows;
  for (const Json& member : answer.value("members", Json::array())) {
    rows.push_back({field(member, "name"), field(member, "endpoint"), field(member, "role"),
                    field(member, "seen"), field(member, "key")});
  }
  print_table({"MEMBER", "ADDRESS", "ROLE", "SEEN", "KEY"}, rows);
  const Json pending = answer.value("pending", Json::array());
  for (const Json& host : pending) {
    fmt::print("waiting for approval: {}; approve it: sealift domain approve {}\n", field(host, "name"),
               field(host, "name"));
  }
  return kExitOk;
}

Result<int> post(const Cli& cli, const std::string& path, const Json& body) {
  const Json answer = SEALIFT_TRY(cli.client().post(path, body));
  if (!cli.printed_json(answer)) fmt::print("{}\n", field(answer, "message"));
  return kExitOk;
}

Result<int> invite_balancer(const Cli& cli, std::uint64_t minutes, std::uint64_t days) {
  const Json answer =
      SEALIFT_TRY(cli.client().post("/v1/domain/invite-balancer", {{"minutes", minutes}, {"days", days}}));
  if (cli.printed_json(answer)) return kExitOk;
  fmt::print(stderr,
             "run this on the load balancer, within {} minutes; it works once and gives the right to follow "
             "moves, nothing else, for {} days:\n",
             minutes, days);
  fmt::print("sealift balance enrol {}\n", field(answer, "line"));
  return kExitOk;
}

Result<int> invite(const Cli& cli, std::uint64_t minutes) {
  const Json answer = SEALIFT_TRY(cli.client().post("/v1/domain/invite", {{"minutes", minutes}}));
  if (cli.printed_json(answer)) return kExitOk;
  fmt::print(stderr, "run this on the host that joins, within {} minutes; it works once:\n", minutes);
  fmt::print("sealift domain join {}\n", field(answer, "line"));
  return kExitOk;
}

}  // namespace

void add_domain_commands(CLI::App& root, Cli& cli) {
  CLI::App& domain = *root.add_subcommand("domain", "The hosts that share one ledger");
  domain.require_subcommand(1);
  static std::string host;
  static std::string line;
  static std::string reason;
  static std::uint64_t minutes = 30;
  static bool balancer = false;
  static std::uint64_t days = 365;

  CLI::App& invited =
      add_command(domain, cli, "invite", "Print the one line that lets another host join",
                  [&cli] { return balancer ? invite_balancer(cli, minutes, days) : invite(cli, minutes); });
  invited.add_flag("--balancer", balancer, "for a load balancer: it may follow moves and is no member");
  invited.add_option("--days", days, "with --balancer: how long the right lasts")
      ->capture_default_str()
      ->check(CLI::Range(1, 3650));
  invited.add_option("--minutes", minutes, "how long the line is valid")
      ->capture_default_str()
      ->check(CLI::Range(1, 10080));

  CLI::App& join =
      add_command(domain, cli, "join", "Join the domain that the line (from 'domain invite') names",
                  [&cli] { return post(cli, "/v1/domain/join", {{"line", line}}); });
  join.add_option("line", line, "the invitation")->required();

  add_command(domain, cli, "members", "Who belongs to the domain, and who answers",
              [&cli] { return members(cli); });

  CLI::App& approve = add_command(domain, cli, "approve", "Agree to a pending join, expulsion or recovery",
                                  [&cli] { return post(cli, "/v1/domain/approve", {{"host", host}}); });
  approve.add_option("host", host, "the host (or VM) that it is about")->required();

  add_command(domain, cli, "leave", "Leave the domain; refused while this host owns VMs or has an open move",
              [&cli] { return post(cli, "/v1/domain/leave", Json::object()); });

  CLI::App& expel =
      add_command(domain, cli, "expel", "Expel a member (k members must agree); its open moves are aborted",
                  [&cli] { return post(cli, "/v1/domain/expel", {{"host", host}, {"reason", reason}}); });
  expel.add_option("host", host, "the member")->required();
  expel.add_option("--reason", reason, "recorded in the ledger")->required();

  static std::uint64_t version = 0;
  static std::uint64_t height = 0;
  CLI::App& activate = add_command(
      domain, cli, "activate", "Let a newer version of the rules count from a height on",
      [&cli] { return post(cli, "/v1/domain/activate", {{"rules", version}, {"height", height}}); });
  activate.add_option("--rules", version, "version of the rules")->required();
  activate.add_option("--from-height", height, "first block under them")->required();
}

}  // namespace sealift::app
