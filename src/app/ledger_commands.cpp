#include "app/cli.hpp"
#include "app/verify.hpp"

namespace sealift::app {

namespace {

Result<int> log(const Cli& cli, std::uint64_t from, std::uint64_t count) {
  const Json answer = SEALIFT_TRY(cli.client().get(fmt::format("/v1/ledger?from={}&count={}", from, count)));
  if (cli.printed_json(answer)) return kExitOk;
  std::vector<std::vector<std::string>> rows;
  for (const Json& entry : answer.value("records", Json::array())) {
    rows.push_back({field(entry, "height"), field(entry, "time"), field(entry, "kind"), field(entry, "about"),
                    field(entry, "signers"), field(entry, "record").substr(0, 12)});
  }
  print_table({"BLOCK", "TIME", "RECORD", "ABOUT", "SIGNED BY", "ID"}, rows);
  fmt::print("final up to block {} of {}\n", field(answer, "final_height"), field(answer, "height"));
  return kExitOk;
}

Result<int> show(const Cli& cli, const std::string& id) {
  const Json answer = SEALIFT_TRY(cli.client().get("/v1/ledger/records/" + api::encode_segment(id)));
  if (!cli.printed_json(answer)) fmt::print("{}\n", json::dump_pretty(answer));
  return kExitOk;
}

int print_verdict(const Cli& cli, const Verdict& verdict) {
  if (!cli.printed_json(verdict.facts)) fmt::print("{}", verdict.words);
  return kExitOk;
}

Result<int> verify(const Cli& cli, const std::string& receipt, const std::string& genesis) {
  const file::Path genesis_path = genesis.empty() ? cli.state() / "genesis.json" : file::Path(genesis);
  return print_verdict(cli, SEALIFT_TRY(verify_receipt_file(receipt, genesis_path)));
}

}  // namespace

void add_ledger_commands(CLI::App& root, Cli& cli) {
  static std::string receipt;
  static std::string genesis;
  CLI::App& verified =
      add_command(root, cli, "verify",
                  "Check a move's receipt, offline: the receipt and the domain's genesis file are enough",
                  [&cli] { return verify(cli, receipt, genesis); });
  verified.add_option("receipt", receipt, "the .receipt file")->required();
  verified.add_option("--genesis", genesis, "the domain's genesis file (default: this host's)");

  CLI::App& ledger = *root.add_subcommand("ledger", "The domain's ledger");
  ledger.require_subcommand(1);
  static std::uint64_t from = 0;
  static std::uint64_t count = 50;
  static std::string id;
  static std::string directory;
  CLI::App& logged =
      add_command(ledger, cli, "log", "The records, oldest first", [&cli] { return log(cli, from, count); });
  logged.add_option("--from", from, "first block (default: so that the newest are shown)");
  logged.add_option("--count", count, "at most so many records")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  CLI::App& shown = add_command(ledger, cli, "show", "One record with its block, status and signatures",
                                [&cli] { return show(cli, id); });
  shown.add_option("record", id, "its id, or the first digits of it")->required();
  CLI::App& exported =
      add_command(ledger, cli, "export", "Write blocks, records, checkpoint and genesis as files",
                  [&cli]() -> Result<int> {
                    return print_verdict(cli, SEALIFT_TRY(export_ledger(cli.state(), directory)));
                  });
  exported.add_option("directory", directory, "a new directory")->required();
  static std::string from_directory;
  CLI::App& checked = add_command(
      ledger, cli, "verify",
      "Check every block, record and signature that this host keeps, or that an export holds",
      [&cli]() -> Result<int> {
        const file::Path place = from_directory.empty() ? cli.state() : file::Path(from_directory);
        return print_verdict(cli, SEALIFT_TRY(verify_ledger(place)));
      });
  checked.add_option("directory", from_directory, "what 'ledger export' wrote (default: this host's ledger)");
}

}  // namespace sealift::app
