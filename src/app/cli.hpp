#pragma once

// The command line: one function per command, each registered where its words are described. A command talks
// to the daemon through the local interface only (api::Client); what works without a daemon says so.

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "api/client.hpp"
#include "app/output.hpp"

namespace sealift::app {

struct Cli {
  std::string state_directory;       // --state, $SEALIFT_STATE, the default
  bool json = false;                 // --json
  std::function<Result<int>()> run;  // what the parsed command does; its exit code

  file::Path state() const { return state_directory; }
  api::Client client() const { return api::Client(state() / "api.sock"); }
  // Prints the answer as JSON when asked for; true then.
  bool printed_json(const Json& answer) const;
};

void add_host_commands(CLI::App& root, Cli& cli);
void add_vm_commands(CLI::App& root, Cli& cli);
void add_domain_commands(CLI::App& root, Cli& cli);
void add_move_commands(CLI::App& root, Cli& cli);
void add_ledger_commands(CLI::App& root, Cli& cli);
void add_balance_commands(CLI::App& root, Cli& cli);

// Registers `sealift … name` with its help; action runs when it was chosen.
CLI::App& add_command(CLI::App& parent, Cli& cli, const std::string& name, const std::string& help,
                      std::function<Result<int>()> action);

}  // namespace sealift::app
