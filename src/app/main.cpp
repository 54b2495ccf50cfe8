// sealift: one binary. `sealift host run` is the daemon, everything else the command line.

#include <csignal>
#include <cstdlib>

#include "app/cli.hpp"
#include "app/examples.hpp"

namespace sealift::app {

bool Cli::printed_json(const Json& answer) const {
  if (json) fmt::print("{}\n", json::dump(answer));
  return json;
}

CLI::App& add_command(CLI::App& parent, Cli& cli, const std::string& name, const std::string& help,
                      std::function<Result<int>()> action) {
  CLI::App& command = *parent.add_subcommand(name, help);
  command.callback([&cli, action = std::move(action)] { cli.run = action; });
  return command;
}

namespace {

std::string default_state_directory() {
  if (const char* named = std::getenv("SEALIFT_STATE"); named != nullptr && *named != '\0') return named;
  return "/var/lib/sealift";
}

// What was not understood, and the help that says how it is meant.
int print_usage_error(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* chosen = &root;
  std::string command = "sealift";
  while (!chosen->get_subcommands().empty()) {
    chosen = chosen->get_subcommands().front();
    command += " " + chosen->get_name();
  }
  std::string what = error.what();
  const auto rest = root.remaining(true);
  const bool wants_command = !chosen->get_subcommands([](const CLI::App*) { return true; }).empty();
  if (wants_command && !rest.empty() && !rest.front().starts_with("-"))
    what = fmt::format("there is no command '{} {}'", command, rest.front());
  else if (wants_command)
    what = fmt::format("'{}' alone does nothing: a command follows it", command);
  fmt::print(stderr, "sealift: {}; see: {} --help\n", what, command);
  return kExitUsage;
}

int run(int argc, char** argv) {
  Cli cli;
  CLI::App root(
      "sealift moves virtual machines between hosts that need not trust each other: sealed in transit, "
      "verified before they\n"
      "run, owned by exactly one host, provable afterwards.\n\n"
      "First steps:  sealift host init && sealift host run     then   sealift vm create vm.toml\n"
      "Exit codes:   0 done, 1 failed, 2 usage, 3 refused (nothing was changed), 4 unavailable (try again)",
      "sealift");
  root.set_version_flag("--version", std::string("sealift ") + SEALIFT_VERSION);
  root.require_subcommand(1);
  root.fallthrough();
  cli.state_directory = default_state_directory();
  root.add_option("--state", cli.state_directory, "this host's state directory ($SEALIFT_STATE)")
      ->capture_default_str();
  root.add_flag("--json", cli.json, "print results as JSON");
  add_host_commands(root, cli);
  add_vm_commands(root, cli);
  add_move_commands(root, cli);
  add_domain_commands(root, cli);
  add_ledger_commands(root, cli);
  add_balance_commands(root, cli);
  add_examples(root);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return print_usage_error(root, error);
    return root.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  const auto code = cli.run();
  return code ? *code : print_error(code.error(), cli.json);
}

}  // namespace
}  // namespace sealift::app

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return sealift::app::run(argc, argv);
}
