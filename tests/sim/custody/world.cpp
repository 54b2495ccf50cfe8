#include "world.hpp"

#include <fmt/format.h>

namespace sealift::sim {

std::string to_string(Fault fault) {
  static constexpr const char* kWords[kFaults] = {
      "daemon crashes",        "host reboots",     "QEMU killed",     "session lost",
      "ledger out of reach",   "operator aborts",  "deadline passes", "guest powers off",
      "guest resets",          "guest suspends",   "process woken",   "somebody says cont",
      "start fails",           "guest pauses",     "copy tampered",   "disk full",
      "everything said twice", "records replayed", "source expelled", "VM recovered to the destination"};
  return kWords[static_cast<int>(fault)];
}

World::World(custody::MoveMode mode, Machines machines) : terms_{mode}, machines_(std::move(machines)) {
  hosts_[0].disk.version = newest_;
  if (!live()) return;
  hosts_[0].qemu.exists = true;
  start_guest(0);
}

bool World::start_move(int from) {
  Host& host = hosts_[from];
  if (!host.daemon || host.memory.move != 0 || !ledger_reachable(from) || unknown_move(from) != 0)
    return false;
  if (ledger_.owner() != from || ledger_.open_move() || host.disk.version < 0) return false;
  if (live() && !running(from)) return false;
  host.memory.move = ++moves_;
  note(from, fmt::format("move {} wanted", moves_));
  adopt(from, source::begin(terms_));
  return true;
}

bool World::step(const std::function<std::size_t(std::size_t)>& pick) {
  ++now_;
  if (rejoin_at_ != 0 && now_ >= rejoin_at_) {
    for (int h : {0, 1}) ledger_.rejoin(h);
    rejoin_at_ = 0;
  }
  std::vector<Choice> choices;
  choices.reserve(16);
  collect(choices);
  if (choices.empty())
    now_ += 10;
  else
    perform(choices[pick(choices.size())]);
  check();
  return !choices.empty();
}

bool World::running(int h) const {
  const Qemu& qemu = hosts_[h].qemu;
  return qemu.exists && !qemu.frozen && qemu.guest == Qemu::Guest::kRunning;
}

void World::start_guest(int h) {
  Host& host = hosts_[h];
  if (host.disk.version != newest_)
    broken(fmt::format("host {} starts the guest from content {}, the newest is {}", h, host.disk.version,
                       newest_));
  host.qemu.guest = Qemu::Guest::kRunning;
  host.qemu.frozen = false;
  note(h, "GUEST RUNS");
}

// A process that goes on after SIGSTOP. A guest that QEMU stopped by itself for the switchover goes on too.
void World::wake(int h) {
  Qemu& qemu = hosts_[h].qemu;
  if (!qemu.exists) return;
  qemu.frozen = false;
  if (qemu.guest == Qemu::Guest::kStopped && qemu.stopped_by == Qemu::StoppedBy::kSwitchover) start_guest(h);
}

void World::end_qemu(int h) {
  hosts_[h].qemu = {};
}

void World::check() {
  int runners = 0;
  for (int h : {0, 1}) {
    if (!running(h)) continue;
    ++runners;
    if (ledger_.owner() != h)
      broken(fmt::format("host {} runs a guest that the ledger gave to the other", h));
    hosts_[h].disk.version = ++newest_;
  }
  if (runners > 1) broken("two hosts run the guest");
  bool kept = false;
  for (const Host& host : hosts_)
    for (const Copy* copy : {&host.disk, &host.received, &host.quarantine}) kept |= copy->version == newest_;
  if (!kept) broken("the newest content exists nowhere any more");
  for (const auto& [move, seals] : seals_)
    if (seals.size() > 1) broken(fmt::format("move {} was sealed twice", move));
}

bool World::settled() const {
  for (int h : {0, 1}) {
    const Host& host = hosts_[h];
    if (!host.daemon || host.memory.move != 0 || pending(h) != nullptr || unknown_move(h) != 0) return false;
    if (!ledger_reachable(h) || may_start_at_rest(h)) return false;
    for (const auto& [move, row] : host.journal)
      if (!row.ended) return false;
  }
  return !ledger_.open_move();
}

std::string World::final_error() const {
  const int owner = ledger_.owner();
  const Host& winner = hosts_[owner];
  const Host& other = hosts_[1 - owner];
  if (winner.disk.version != newest_) return "the owner does not hold the newest content";
  if (live() && !guest_idle_ && !running(owner)) return "the guest runs nowhere";
  if (other.qemu.exists) return "the host that does not own the VM still has a QEMU of it";
  if (other.disk.version != -1) return "the host that does not own the VM could start it";
  if (other.received.version != -1 || winner.received.version != -1)
    return "an unfinished copy was left behind";
  return {};
}

void World::broken(std::string what) {
  if (!error_.empty()) return;
  error_ = std::move(what);
  note(2, "BROKEN: " + error_);
}

void World::note(int column, std::string text) {
  if (tracing_)
    trace_.emplace_back(column, fmt::format("{:>5}  {:>{}}{}", now_, "",
                                            column == 0   ? 0
                                            : column == 2 ? 34
                                                          : 68,
                                            text));
}

std::string World::diagram(std::size_t lines_max) const {
  std::string out = fmt::format("{:>5}  {:<34}{:<34}{}\n", "step", "host 0", "ledger, world", "host 1");
  const std::size_t from = trace_.size() > lines_max ? trace_.size() - lines_max : 0;
  for (std::size_t i = from; i < trace_.size(); ++i) out += trace_[i].second + "\n";
  return out;
}

}  // namespace sealift::sim
