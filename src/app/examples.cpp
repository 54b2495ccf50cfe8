#include "app/examples.hpp"

#include <map>
#include <string>
#include <string_view>

namespace sealift::app {

namespace {

const std::map<std::string_view, std::string_view> kExamples = {
    {"host init", "sealift host init --name zurich --advertise zurich.example:7420"},
    {"host run", "sealift host run                       (or: systemctl enable --now sealift)"},
    {"host status", "sealift host status"},
    {"host update", "sealift host update                    (after a new advertise in sealift.toml)"},
    {"domain invite",
     "sealift domain invite                  (prints the line for: sealift domain join LINE)"},
    {"domain join", "sealift domain join sealift-invite-1,zurich.example:7420,…"},
    {"domain members", "sealift domain members"},
    {"domain approve", "sealift domain approve bern"},
    {"domain leave", "sealift domain leave"},
    {"domain expel", "sealift domain expel bern --reason \"its disk was stolen\""},
    {"domain activate", "sealift domain activate 2"},
    {"vm create", "sealift vm create web-01.toml"},
    {"vm start", "sealift vm start web-01"},
    {"vm stop", "sealift vm stop web-01 --deadline 120"},
    {"vm kill", "sealift vm kill web-01"},
    {"vm remove", "sealift vm remove web-01"},
    {"vm show", "sealift vm show web-01"},
    {"vm console", "sealift vm console web-01              (Ctrl-] leaves it)"},
    {"vm list", "sealift vm list"},
    {"vm recover", "sealift vm recover VM-ID --to zurich --fenced \"bern is powered off, seen by Anna\""},
    {"migrate",
     "sealift migrate web-01 --to bern --dry-run\n"
     "          sealift migrate web-01 --to bern --map-net prod-10=prod --map-pool fast=tank --bandwidth "
     "100M"},
    {"moves list", "sealift moves list"},
    {"moves show", "sealift moves show 7c1e"},
    {"moves watch", "sealift moves watch 7c1e               (Ctrl-C leaves it, the move goes on)"},
    {"moves abort", "sealift moves abort 7c1e"},
    {"moves tune", "sealift moves tune 7c1e --bandwidth 200M --max-downtime 1000"},
    {"quarantine list", "sealift quarantine list"},
    {"quarantine purge", "sealift quarantine purge 7c1e          (without an entry: all whose time is over)"},
    {"verify", "sealift verify web-01-e1.receipt --genesis genesis.json"},
    {"ledger log", "sealift ledger log"},
    {"ledger show", "sealift ledger show 4f1c22"},
    {"ledger export", "sealift ledger export ./ledger"},
    {"ledger verify", "sealift ledger verify ./ledger"},
};

void add_below(CLI::App& app, const std::string& path) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string name = path.empty() ? command->get_name() : path + " " + command->get_name();
    if (const auto found = kExamples.find(name); found != kExamples.end())
      command->footer("Example:  " + std::string(found->second));
    add_below(*command, name);
  }
}

}  // namespace

void add_examples(CLI::App& root) {
  add_below(root, "");
}

}  // namespace sealift::app
