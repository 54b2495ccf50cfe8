#pragma once

// For this module's tests: events, and a ledger whose membership the test sets.

#include "domain/domain_fixture.hpp"
#include "ledger/ledger.hpp"
#include "traffic/event.hpp"

namespace sealift::traffic::testing {

using domain::testing::eventually;
using domain::testing::host_name;
using domain::testing::identity_of;

inline ledger::VmId vm_of(int number) {
  SeededRandom random(static_cast<std::uint64_t>(number));
  return ledger::VmId::make(random);
}

inline MoveEvent event_of(int vm, std::uint64_t epoch, MoveEventKind kind) {
  MoveEvent event;
  event.kind = kind;
  event.move = {crypto::sha256(as_bytes(fmt::format("{} {}", vm, epoch)))};
  event.vm = vm_of(vm);
  event.name = fmt::format("vm-{}", vm);
  event.epoch = {epoch};
  event.from = host_name("zurich");
  event.to = host_name("bern");
  return event;
}

// zurich's domain, with the members that the test wants; nothing else of a ledger is asked for.
class MembersOnly final : public ledger::Ledger {
 public:
  MembersOnly() {
    const ledger::HostInfo zurich{.name = host_name("zurich"),
                                  .key = identity_of("zurich").public_key(),
                                  .endpoints = {},
                                  .region = "",
                                  .witness_only = false};
    SeededRandom random(1);
    set(ledger::State::from_genesis(ledger::make_genesis(zurich, {}, WallTime{}, random)));
  }
  void set(ledger::State state) {
    auto locked = state_.lock();
    locked->state = std::make_shared<const ledger::State>(std::move(state));
    ++locked->height;
  }
  void expel(std::string_view name) { set(final_state()->with({}, {"member/" + std::string(name)})); }

  Result<ledger::RecordId> submit(ByteView, Deadline, const Stop&) override { return none(); }
  Result<ledger::RecordStatus> status(const ledger::RecordId&) override { return none(); }
  Result<ledger::RecordStatus> wait(const ledger::RecordId&, Deadline, const Stop&) override {
    return none();
  }
  std::shared_ptr<const ledger::State> final_state() override { return state_.lock()->state; }
  std::uint64_t final_height() override { return state_.lock()->height; }
  Result<std::uint64_t> wait_beyond(std::uint64_t, Deadline, const Stop&) override { return none(); }
  Result<ledger::QuorumAnswer> ask_quorum(ByteView, Deadline, const Stop&) override { return none(); }
  Result<Bytes> receipt(const ledger::MoveId&) override { return none(); }
  Result<std::vector<ledger::LogEntry>> log(std::uint64_t, std::size_t) override { return none(); }

 private:
  static std::unexpected<Error> none() { return fail(Code::kUnsupported, "not in this test"); }
  struct Now {
    std::shared_ptr<const ledger::State> state;
    std::uint64_t height = 0;
  };
  Guarded<Now> state_;
};

}  // namespace sealift::traffic::testing
