#include "app/verify.hpp"

#include <filesystem>

#include "ledger/embedded/chain.hpp"
#include "ledger/receipt.hpp"

namespace sealift::app {

namespace {

Json receipt_json(const ledger::ReceiptFacts& facts) {
  Json parts = Json::array();
  for (const ledger::SealPart& part : facts.seal.parts) {
    parts.push_back({{"name", part.name},
                     {"algorithm", part.algorithm},
                     {"bytes", part.bytes},
                     {"digest", part.digest.hex()}});
  }
  Json cosigned = Json::array();
  for (const ledger::HostName& name : facts.cosigned_by) cosigned.push_back(name.text());
  return {{"valid", true},
          {"domain", facts.domain.hex()},
          {"move", facts.move.hex()},
          {"vm", facts.vm.text()},
          {"from", facts.from.text()},
          {"to", facts.to.text()},
          {"epoch", facts.epoch.value},
          {"mode", facts.mode == ledger::MoveMode::kLive ? "live" : "cold"},
          {"block", facts.height},
          {"time", to_iso8601(facts.time)},
          {"cosigned_by", cosigned},
          {"members", facts.members},
          {"parts", parts}};
}

constexpr std::size_t kCheckpointBytesMax = 256 * 1024;

file::Path block_path(const file::Path& directory, std::uint64_t height) {
  return directory / "blocks" / fmt::format("{:08}.block", height);
}

file::Path checkpoint_path(const file::Path& directory, std::uint64_t height) {
  return directory / "checkpoints" / fmt::format("{:08}", height);
}

// Reading checks everything and signs nothing: any identity will do.
Result<std::unique_ptr<ledger::Chain>> check(ledger::Store store) {
  const auto reader = SEALIFT_TRY(ledger::HostName::parse("reader"));
  return ledger::Chain::open(std::move(store), {.name = reader, .identity = crypto::Identity::generate()});
}

Result<std::unique_ptr<ledger::Chain>> open_chain(const file::Path& state_directory) {
  const file::Path path = state_directory / "ledger.db";
  if (!std::filesystem::exists(path)) {
    return fail(Code::kNotFound, "no ledger at {}: name the host's state directory with --state",
                path.string());
  }
  return check(SEALIFT_TRY(ledger::Store::open(path)));
}

Status take_signatures(ledger::Chain& chain, const file::Path& path) {
  if (!std::filesystem::exists(path)) return {};
  const std::string note = SEALIFT_TRY(file::read_text(path, kCheckpointBytesMax));
  const auto taken = chain.add_signatures(note);
  return taken ? Status() : because(taken.error(), path.string());
}

// As a follower that knows nothing but the genesis: block by block.
Result<std::unique_ptr<ledger::Chain>> read_export(const file::Path& directory) {
  const Bytes genesis = SEALIFT_TRY(file::read(directory / "genesis.json", ledger::kGenesisBytesMax));
  auto chain = SEALIFT_TRY(
      check(SEALIFT_TRY(ledger::Store::create_in_memory(SEALIFT_TRY(ledger::parse_genesis(genesis))))));
  for (std::uint64_t height = 1; std::filesystem::exists(block_path(directory, height)); ++height) {
    const file::Path path = block_path(directory, height);
    const Bytes bytes = SEALIFT_TRY(file::read(path, 2 * ledger::kBlockBytesMax));
    const Status taken = [&]() -> Status {
      const ledger::Block block = SEALIFT_TRY(ledger::parse_block(bytes));
      return chain->accept_block(block, ledger::Chain::Arrival::kCatchUp);
    }();
    if (!taken) return because(taken.error(), path.string());
    SEALIFT_TRY_STATUS(take_signatures(*chain, checkpoint_path(directory, height)));
  }
  SEALIFT_TRY_STATUS(take_signatures(*chain, directory / "checkpoint"));
  return chain;
}

}  // namespace

Result<Verdict> verify_receipt_file(const file::Path& receipt, const file::Path& genesis) {
  const Bytes receipt_bytes = SEALIFT_TRY(file::read(receipt, ledger::kReceiptBytesMax));
  const auto genesis_bytes = file::read(genesis, ledger::kGenesisBytesMax);
  if (!genesis_bytes) {
    return because(genesis_bytes.error(),
                   "the domain's genesis file is needed (--genesis FILE; every member has it)");
  }
  const ledger::Genesis domain = SEALIFT_TRY(ledger::parse_genesis(*genesis_bytes));
  auto facts = ledger::verify_receipt(domain, receipt_bytes);
  if (!facts) return because(facts.error(), fmt::format("{} proves nothing", receipt.string()));
  std::string words = facts->text;
  if (!words.empty() && words.back() != '\n') words += '\n';
  return Verdict{.facts = receipt_json(*facts), .words = std::move(words)};
}

Result<Verdict> verify_ledger(const file::Path& directory) {
  const bool exported = std::filesystem::exists(directory / "blocks");
  const auto chain = SEALIFT_TRY(exported ? read_export(directory) : open_chain(directory));
  const auto forks = SEALIFT_TRY(chain->forks());
  if (!forks.empty()) return fail(Code::kCorrupt, "the ledger was forked: {}", forks.front().text);
  const Json facts = {{"valid", true},
                      {"blocks", chain->height()},
                      {"final", chain->final_height()},
                      {"domain", chain->genesis().id().hex()}};
  return Verdict{
      .facts = facts,
      .words = fmt::format(
          "{} blocks checked, {} of them final: hashes, records, rules, state roots and signatures hold\n",
          chain->height(), chain->final_height())};
}

Result<Verdict> export_ledger(const file::Path& state_directory, const file::Path& directory) {
  const auto chain = SEALIFT_TRY(open_chain(state_directory));
  if (std::filesystem::exists(directory))
    return fail(Code::kConflict, "{} exists already", directory.string());
  for (const char* part : {"blocks", "records", "checkpoints"})
    SEALIFT_TRY_STATUS(file::make_private_directory(directory / part));
  SEALIFT_TRY_STATUS(file::write_atomic(directory / "genesis.json", chain->genesis().bytes, 0644));
  if (const auto checkpoint = chain->checkpoint()) {
    SEALIFT_TRY_STATUS(file::write_atomic(directory / "checkpoint", std::string_view(*checkpoint), 0644));
  }
  for (std::uint64_t height = 1; height <= chain->height(); ++height) {
    const ledger::Block block = SEALIFT_TRY(chain->block(height));
    SEALIFT_TRY_STATUS(file::write_atomic(block_path(directory, height), ledger::encode_block(block), 0644));
    for (std::size_t i = 0; i < block.records.size(); ++i) {
      const file::Path path = directory / "records" / fmt::format("{:08}-{:03}.json", height, i);
      SEALIFT_TRY_STATUS(file::write_atomic(path, block.records[i], 0644));
    }
  }
  // Who counts for a block after one of these is known only with what made the change final.
  for (const ledger::RecordPlace& change :
       SEALIFT_TRY(chain->membership_changes(chain->final_height() + 1))) {
    const Bytes final = SEALIFT_TRY(chain->final_checkpoint(change.height));
    SEALIFT_TRY_STATUS(file::write_atomic(checkpoint_path(directory, change.height), final, 0644));
  }
  const std::string words = fmt::format("wrote {} blocks to {}\n", chain->height(), directory.string());
  return Verdict{.facts = {{"blocks", chain->height()}, {"directory", directory.string()}}, .words = words};
}

}  // namespace sealift::app
