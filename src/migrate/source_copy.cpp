#include "migrate/source_copy.hpp"

#include "image/open_image.hpp"
#include "migrate/memory_parts.hpp"
#include "migrate/progress_pump.hpp"
#include "migrate/source_copy_impl.hpp"
#include "migrate/statement.hpp"

namespace sealift::migrate {

using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kOfferPatience{3'600'000};  // the destination hashes what it has already
constexpr Milliseconds kOfferUnnoticed{2'000};
constexpr Milliseconds kDurablePatience{600'000};
constexpr Milliseconds kNbdPatience{20'000};

Result<image::OpenImage> open_image(const CopyPlan& plan, std::size_t index, const Stop& stop) {
  const auto& disk = plan.vm.definition.disks[index];
  image::QemuNbdOptions options;
  options.image = plan.vm.placement.disks[index];
  options.format = to_string(disk.format);
  options.socket = plan.scratch / (disk.name + ".s");
  options.log = plan.scratch / (disk.name + ".log");
  options.drop_to = plan.guest_user;
  return image::OpenImage::open(options, Deadline::in(kNbdPatience), stop);
}

}  // namespace

SourceCopy::SourceCopy(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SourceCopy::~SourceCopy() = default;

Result<std::unique_ptr<SourceCopy>> SourceCopy::open(CopyPlan plan) {
  auto impl = std::make_unique<Impl>(std::move(plan));
  SEALIFT_TRY_STATUS(impl->open_tables());
  return std::unique_ptr<SourceCopy>(new SourceCopy(std::move(impl)));
}

Status SourceCopy::Impl::open_tables() {
  for (const auto& disk : definition().disks) {
    const file::Path path = plan.scratch / (disk.name + ".leaves");
    SEALIFT_TRY_STATUS(file::remove_tree(path));  // what an earlier session sent says nothing of this one
    tables.push_back(SEALIFT_TRY(image::LeafTable::open(path, disk.size_bytes)));
  }
  return {};
}

Status SourceCopy::Impl::open_sender(const Stop& stop) {
  transport::Session& session = plan.talk->session();
  if (tables.empty()) return {};
  std::vector<SourceDisk> disks;
  for (std::size_t i = 0; i < tables.size(); ++i)
    disks.push_back({tables[i].get(), plan.scratch / (definition().disks[i].name + ".known")});
  SenderOptions options;
  options.workers = workers();
  sender = SEALIFT_TRY(DiskSender::open(session, std::move(disks), options));
  return take_offer(stop);
}

// Mostly there is nothing to offer and no time passes. Where the destination reads an older copy first, that
// is what the move waits for.
Status SourceCopy::Impl::take_offer(const Stop& stop) {
  const auto from = std::chrono::steady_clock::now();
  const std::string words = plan.agreed->to.text() + ", which reads what it has of the VM";
  Status taken;
  {
    const ProgressPump pump([&] {
      if (std::chrono::steady_clock::now() - from < kOfferUnnoticed) return;
      plan.update([&](MoveProgress& progress) { progress.waiting = words; });
    });
    taken = sender->take_offer(Deadline::in(kOfferPatience), stop);
  }
  plan.update([&](MoveProgress& progress) {
    if (progress.waiting == words) progress.waiting.clear();
  });
  return taken;
}

// Before anything else: the destination's QEMU needs them to start.
Status SourceCopy::Impl::send_side_files(const Stop& stop) {
  files = std::make_unique<SideFileSender>(plan.talk->session(), plan.vm.placement.directory);
  for (const std::string& name : hypervisor::side_files(definition()))
    SEALIFT_TRY_STATUS(files->send(name, stop));
  return {};
}

void SourceCopy::Impl::show() {
  if (!sender) return;
  const CopyStats stats = sender->stats();
  plan.update([&](MoveProgress& progress) {
    for (std::size_t i = 0; i < progress.disks.size() && i < stats.disks.size(); ++i) {
      progress.disks[i].done_bytes = std::max(progress.disks[i].done_bytes, stats.disks[i].done_bytes);
      progress.disks[i].sent_bytes = stats.disks[i].sent_bytes;
      progress.disks[i].had_bytes = stats.disks[i].had_bytes;
      progress.disks[i].round = sender->rounds();
    }
  });
}

Status SourceCopy::Impl::round_durable(bool last, const Stop& stop) {
  const std::uint64_t number = sender ? sender->rounds() : 1;
  SEALIFT_TRY_STATUS(plan.talk->send(protocol::Round{number, last}, stop));
  return plan.inbox->wait(Deadline::in(kDurablePatience), stop,
                          [&](const Inbox& inbox) { return inbox.round_durable >= number; });
}

Status SourceCopy::Impl::count_roots() {
  roots.clear();
  for (const auto& table : tables) roots.push_back(SEALIFT_TRY(table->root()));
  return {};
}

Status SourceCopy::copy_cold(const Stop& stop) {
  Impl& in = *impl_;
  std::vector<image::OpenImage> images;
  std::vector<RoundDisk> round;
  for (std::size_t i = 0; i < in.tables.size(); ++i) {
    images.push_back(SEALIFT_TRY(open_image(in.plan, i, stop)));
    round.push_back({images.back().source(), std::nullopt});
  }
  SEALIFT_TRY_STATUS(in.send_side_files(stop));
  SEALIFT_TRY_STATUS(in.files->finish(stop));
  SEALIFT_TRY_STATUS(in.open_sender(stop));
  {
    const ProgressPump pump([&] { in.show(); });
    if (in.sender) SEALIFT_TRY_STATUS(in.sender->send_round(round, MoreRounds::kNone, stop));
    SEALIFT_TRY_STATUS(in.round_durable(true, stop));
  }
  return in.count_roots();
}

std::vector<ledger::SealPart> SourceCopy::parts() const {
  const Impl& in = *impl_;
  const Bytes definition = hypervisor::canonical_bytes(in.definition());
  std::vector<ledger::SealPart> parts = in.files ? in.files->parts() : std::vector<ledger::SealPart>{};
  parts.push_back(
      {"definition", std::string(kAlgorithmSha256), definition.size(), crypto::sha256(definition)});
  for (std::size_t i = 0; i < in.roots.size(); ++i) {
    const auto& disk = in.definition().disks[i];
    parts.push_back({"disk/" + disk.name, std::string(kAlgorithmLeaves), disk.size_bytes, in.roots[i]});
  }
  if (in.plan.agreed->request.vm.live)
    std::ranges::move(
        memory_parts(in.plan.talk->session(), in.plan.agreed->request.channels, transport::Direction::kSent),
        std::back_inserter(parts));
  return parts;
}

}  // namespace sealift::migrate
