#include "migrate/move_manager.hpp"

#include <algorithm>

#include "migrate/destination_driver.hpp"
#include "migrate/move_manager_impl.hpp"
#include "migrate/source_driver.hpp"

namespace sealift::migrate {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kShownBytesMax = 1024 * 1024;
constexpr std::size_t kIdDigitsMin = 4;
constexpr Milliseconds kLeftoversEvery{2'000};

}  // namespace

MoveManager::Impl::Impl(MoveManagerOptions given) : options(std::move(given)) {
  around.options = options;
  around.changed = [this] {
    ++*pulse.lock();
    pulse.notify_all();
  };
}

MoveManager::Impl::~Impl() {
  stopping.stop();
  std::map<ledger::MoveId, Entry> entries;
  std::swap(entries, *table.lock());
  for (auto& [id, entry] : entries)
    if (entry.driver) entry.driver->stop();
  for (auto& [id, entry] : entries)
    if (entry.thread.joinable()) entry.thread.join();
  if (watcher.joinable()) watcher.join();
  outbox.reset();
  options.numbers->moves({});
}

Status MoveManager::Impl::open() {
  journal = SEALIFT_TRY(MoveJournal::open(options.directory / "moves.db"));
  options.numbers->moves([this](const ledger::VmId& vm) { return journal->highest_number(vm); });
  outbox = std::make_unique<Outbox>(*journal, *options.ledger, *options.numbers, *options.identity,
                                    [this](const Outbox::Settled& settled) {
                                      if (const auto d = driver(settled.move)) d->settled(settled);
                                    });
  around.journal = journal.get();
  around.outbox = outbox.get();
  for (const MoveRow& row : SEALIFT_TRY(journal->all())) {
    if (!row.ended) continue;
    const auto json = json::parse(row.shown, kShownBytesMax);
    MoveProgress shown = json ? progress_from_json(*json) : MoveProgress{};
    shown.id = row.id;
    shown.ended = true;
    shown.began = WallTime{Milliseconds{row.began_ms}};
    (*table.lock())[row.id].shown = std::move(shown);
  }
  acceptor = std::make_unique<transport::Acceptor>(
      options.session, [this](std::unique_ptr<transport::Session> session, const net::Hello& hello,
                              const Stop& stop) { serve(std::move(session), hello, stop); });
  return {};
}

Status MoveManager::Impl::start() {
  for (const MoveRow& row : SEALIFT_TRY(journal->all()))
    if (!row.ended) resume(row);
  *started.lock() = true;
  started.notify_all();
  outbox->start();
  watcher = std::jthread([this] { watch_ledger(stopping.token()); });
  return {};
}

void MoveManager::Impl::resume(const MoveRow& row) {
  // Held even when the rest cannot be read: its VM is not for anyone to start.
  const Status held = options.host->hold(row.vm, row.id);
  if (!held && held.error().code != Code::kNotFound)
    log_warning("move.hold", {{"move", row.id.hex()}, {"error", held.error().message}});
  auto agreed = decode_agreed(row.agreed);
  if (!agreed)
    return log_error("move.unreadable", {{"move", row.id.hex()}, {"error", agreed.error().message}});
  if (row.role == MoveRole::kSource)
    run(std::make_shared<SourceDriver>(around, row, std::move(*agreed), nullptr));
  else
    run(std::make_shared<DestinationDriver>(around, row, std::move(*agreed)));
}

void MoveManager::Impl::run(std::shared_ptr<Driver> driver) {
  auto entries = table.lock();
  if (stopping.stopped()) return;
  Entry& entry = (*entries)[driver->id()];
  entry.driver = driver;
  entry.thread = std::jthread([driver = std::move(driver)] { driver->run(); });
}

void MoveManager::Impl::watch_ledger(const Stop& stop) {
  look_for_leftovers();
  std::uint64_t height = options.ledger->final_height();
  std::uint64_t looked_at = height;
  Deadline look_again = Deadline::in(kLeftoversEvery);
  while (!stop.stopped()) {
    const auto beyond = options.ledger->wait_beyond(height, Deadline::in(1s), stop);
    if (!beyond && beyond.error().code != Code::kTimeout && stop.sleep(200ms)) return;
    if (beyond) height = *beyond;
    // What this host's copy of the ledger did not have when the daemon started is seen once it has.
    if (height != looked_at && look_again.passed()) {
      look_for_leftovers();
      looked_at = height;
      look_again = Deadline::in(kLeftoversEvery);
    }
    std::vector<std::shared_ptr<Driver>> drivers;
    for (const auto& [id, entry] : *table.lock())
      if (entry.driver && !entry.driver->done()) drivers.push_back(entry.driver);
    for (const auto& d : drivers) d->poke();
    retire();
  }
}

void MoveManager::Impl::retire() {
  std::vector<std::pair<std::shared_ptr<Driver>, std::jthread>> over;
  for (auto& [id, entry] : *table.lock()) {
    if (!entry.driver || !entry.driver->done()) continue;
    MoveProgress progress = entry.driver->progress();
    if (!progress.ended) continue;
    entry.shown = std::move(progress);
    over.emplace_back(std::move(entry.driver), std::move(entry.thread));
  }
  for (auto& [driver, thread] : over) thread.join();  // closing its session, at most
}

std::shared_ptr<Driver> MoveManager::Impl::driver(const ledger::MoveId& id) {
  auto entries = table.lock();
  const auto found = entries->find(id);
  return found == entries->end() ? nullptr : found->second.driver;
}

std::vector<MoveProgress> MoveManager::Impl::moves() {
  std::vector<MoveProgress> list;
  for (const auto& [id, entry] : *table.lock())
    list.push_back(entry.driver ? entry.driver->progress() : entry.shown);
  std::ranges::sort(list, [](const MoveProgress& a, const MoveProgress& b) { return a.began > b.began; });
  return list;
}

Result<ledger::MoveId> MoveManager::Impl::resolve(const std::string& id) {
  if (id.size() < kIdDigitsMin)
    return fail(Code::kInvalid, "'{}': give at least {} digits of the move's id", id, kIdDigitsMin);
  std::vector<ledger::MoveId> found;
  for (const auto& [known, entry] : *table.lock())
    if (known.hex().starts_with(id)) found.push_back(known);
  if (found.empty()) return fail(Code::kNotFound, "no move {} on this host: sealift moves list", id);
  if (found.size() > 1)
    return fail(Code::kConflict, "{} moves begin with {}: give more digits", found.size(), id);
  return found.front();
}

MoveManager::MoveManager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MoveManager::~MoveManager() = default;

Result<std::unique_ptr<MoveManager>> MoveManager::open(MoveManagerOptions options) {
  SEALIFT_CHECK(options.identity != nullptr && options.ledger != nullptr && options.host != nullptr &&
                options.numbers != nullptr);
  auto impl = std::make_unique<Impl>(std::move(options));
  SEALIFT_TRY_STATUS(impl->open());
  return std::unique_ptr<MoveManager>(new MoveManager(std::move(impl)));
}

void MoveManager::attach(net::PeerServer& server) {
  server.on(std::string(kMovePurpose), impl_->acceptor->control_handler());
  server.on_bulk(impl_->acceptor->bulk_handler());
}

Status MoveManager::start() {
  return impl_->start();
}

Result<MigrateAnswer> MoveManager::migrate(const MigrateRequest& request, Deadline deadline,
                                           const Stop& stop) {
  return impl_->migrate(request, deadline, stop);
}

std::vector<MoveProgress> MoveManager::moves() const {
  return impl_->moves();
}

Result<MoveProgress> MoveManager::find(const std::string& id) const {
  const ledger::MoveId move = SEALIFT_TRY(impl_->resolve(id));
  auto entries = impl_->table.lock();
  const Impl::Entry& entry = entries->at(move);
  return entry.driver ? entry.driver->progress() : entry.shown;
}

Result<MoveProgress> MoveManager::wait_change(const std::string& id, std::uint64_t version, Deadline deadline,
                                              const Stop& stop) const {
  while (true) {
    const std::uint64_t beat = *impl_->pulse.lock();
    MoveProgress progress = SEALIFT_TRY(find(id));
    if (progress.version > version || deadline.passed() || stop.stopped()) return progress;
    const SteadyTime slice = std::chrono::steady_clock::now() + 100ms;
    impl_->pulse.lock().wait_until(deadline.sooner(slice), [&](std::uint64_t now) { return now != beat; });
  }
}

Result<std::string> MoveManager::abort(const std::string& id) {
  const ledger::MoveId move = SEALIFT_TRY(impl_->resolve(id));
  const auto driver = impl_->driver(move);
  if (!driver || driver->done()) return fail(Code::kRefused, "too late: the move is over");
  return driver->abort();
}

Result<std::string> MoveManager::tune(const std::string& id, std::optional<std::uint64_t> bandwidth,
                                      std::optional<std::uint64_t> max_downtime_ms) {
  const ledger::MoveId move = SEALIFT_TRY(impl_->resolve(id));
  const auto driver = impl_->driver(move);
  if (!driver || driver->done()) return fail(Code::kRefused, "too late: the move is over");
  return driver->tune(bandwidth, max_downtime_ms);
}

Result<std::optional<ledger::MoveId>> MoveManager::unfinished(const ledger::VmId& vm) const {
  return impl_->journal->unfinished(vm);
}

bool MoveManager::may_be_unfinished(const ledger::VmId& vm) const {
  const auto move = unfinished(vm);
  return !move || *move;
}

std::vector<ledger::VmId> MoveManager::cancel_unsealed(Deadline deadline) {
  return impl_->cancel_unsealed(deadline);
}

}  // namespace sealift::migrate
