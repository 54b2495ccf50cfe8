#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "migrate/custody/destination.hpp"
#include "migrate/custody/source.hpp"

// Promises that hold for every state and every event. What follows from faults is tested in
// tests/sim/custody.

namespace sealift::migrate::custody {

namespace {

constexpr MoveMode kModes[] = {MoveMode::kCold, MoveMode::kLive};

std::vector<source::State> source_states() {
  using namespace source;
  using Part = Switching::Part;
  return {Offering{},
          Copying{},
          Switching{Part::kStopping},
          Switching{Part::kLastRound},
          Switching{Part::kCompleting},
          Freezing{},
          Sealed{to_bytes("statement")},
          Gave{},
          Fencing{},
          Cancelling{"why", false, false},
          Cancelling{"why", true, false},
          Cancelling{"why", false, true},
          Undoing{Outcome::kAborted},
          Undoing{Outcome::kReturned},
          Ended{Outcome::kMoved, "how"}};
}

std::vector<destination::State> destination_states() {
  using namespace destination;
  return {Accepting{},
          Receiving{},
          Loaded{},
          Syncing{to_bytes("seal")},
          Syncing{to_bytes("seal"), true},
          Committing{to_bytes("seal"), false},
          Committing{to_bytes("seal"), true},
          Starting{Starting::From::kIncoming, false},
          Starting{Starting::From::kIncoming, true},
          Starting{Starting::From::kDisks, false},
          Started{},
          Returning{},
          Claiming{},
          Claiming{true},
          Destroying{"why"},
          Erasing{Outcome::kReturned, "why"},
          Ended{Outcome::kReturned, "how"}};
}

template <class Deed>
bool does(const std::vector<Action<Deed>>& actions, Deed deed) {
  return std::any_of(actions.begin(), actions.end(), [&](const auto& action) {
    return std::holds_alternative<Deed>(action) && std::get<Deed>(action) == deed;
  });
}

template <class Deed>
bool sends_seal(const std::vector<Action<Deed>>& actions) {
  return std::any_of(actions.begin(), actions.end(), [](const auto& action) {
    return std::holds_alternative<Send>(action) && std::get<Send>(action).message == Message::kSeal;
  });
}

template <class Deed>
bool submits(const std::vector<Action<Deed>>& actions, RecordKind kind) {
  return std::any_of(actions.begin(), actions.end(), [&](const auto& action) {
    return std::holds_alternative<Submit>(action) && std::get<Submit>(action).record == kind;
  });
}

template <class Deed>
bool journals(const std::vector<Action<Deed>>& actions) {
  return std::any_of(actions.begin(), actions.end(),
                     [](const auto& action) { return std::holds_alternative<Journal>(action); });
}

void each_source(const std::function<void(const MoveTerms&, const source::State&, const source::Event&,
                                          const source::Step&)>& look) {
  for (const MoveMode mode : kModes)
    for (const auto& state : source_states())
      for (std::size_t kind = 0; kind < source::kEventKinds; ++kind)
        for (const RecordKind record : {RecordKind::kOffer, RecordKind::kAbort, RecordKind::kClosed}) {
          const source::Event event{static_cast<source::EventKind>(kind), record, to_bytes("data")};
          const MoveTerms terms{mode};
          look(terms, state, event, source::step(terms, state, event));
        }
}

void each_destination(const std::function<void(const MoveTerms&, const destination::State&,
                                               const destination::Event&, const destination::Step&)>& look) {
  for (const MoveMode mode : kModes)
    for (const auto& state : destination_states())
      for (std::size_t kind = 0; kind < destination::kEventKinds; ++kind)
        for (const bool member : {false, true}) {
          const destination::Event event{static_cast<destination::EventKind>(kind), RecordKind::kCommit,
                                         member, to_bytes("data")};
          const MoveTerms terms{mode};
          look(terms, state, event, destination::step(terms, state, event));
        }
}

}  // namespace

TEST(Custody, EveryEventHasAName) {
  for (std::size_t kind = 0; kind < source::kEventKinds; ++kind)
    EXPECT_NE(to_string(static_cast<source::EventKind>(kind)), "?") << kind;
  EXPECT_EQ(to_string(static_cast<source::EventKind>(source::kEventKinds)), "?");
  for (std::size_t kind = 0; kind < destination::kEventKinds; ++kind)
    EXPECT_NE(to_string(static_cast<destination::EventKind>(kind)), "?") << kind;
  EXPECT_EQ(to_string(static_cast<destination::EventKind>(destination::kEventKinds)), "?");
}

TEST(Custody, NewDurableStateIsJournaledInItsStep) {
  each_source(
      [](const MoveTerms&, const source::State& state, const source::Event& event, const source::Step& step) {
        const bool changed = source::name(state) != source::name(step.state);
        EXPECT_EQ(changed && source::durable(step.state), journals(step.actions) && changed)
            << source::name(state) << " " << to_string(event.kind);
        if (journals(step.actions)) {
          EXPECT_TRUE(source::durable(step.state)) << source::name(step.state);
        }
      });
  each_destination([](const MoveTerms&, const destination::State& state, const destination::Event& event,
                      const destination::Step& step) {
    const bool changed = destination::name(state) != destination::name(step.state);
    EXPECT_EQ(changed && destination::durable(step.state), journals(step.actions) && changed)
        << destination::name(state) << " " << to_string(event.kind);
    if (journals(step.actions)) {
      EXPECT_TRUE(destination::durable(step.state)) << destination::name(step.state);
    }
  });
}

TEST(CustodySource, SealIsSentOnlyFromSealedAndAfterItsJournal) {
  each_source(
      [](const MoveTerms&, const source::State& state, const source::Event& event, const source::Step& step) {
        if (!sends_seal(step.actions)) return;
        ASSERT_TRUE(std::holds_alternative<source::Sealed>(step.state)) << to_string(event.kind);
        if (std::holds_alternative<source::Sealed>(state)) {
          EXPECT_EQ(std::get<source::Sealed>(state), std::get<source::Sealed>(step.state));
        } else {
          EXPECT_TRUE(std::holds_alternative<Journal>(step.actions.front()));
        }
      });
}

TEST(CustodySource, NoStateAfterTheSealLeadsBackBeforeIt) {
  each_source(
      [](const MoveTerms&, const source::State& state, const source::Event& event, const source::Step& step) {
        const bool after = std::holds_alternative<source::Sealed>(state) ||
                           std::holds_alternative<source::Gave>(state) ||
                           std::holds_alternative<source::Fencing>(state) ||
                           std::holds_alternative<source::Undoing>(state) || source::ended(state);
        const bool before = std::holds_alternative<source::Offering>(step.state) ||
                            std::holds_alternative<source::Copying>(step.state) ||
                            std::holds_alternative<source::Switching>(step.state) ||
                            std::holds_alternative<source::Freezing>(step.state) ||
                            std::holds_alternative<source::Cancelling>(step.state);
        EXPECT_FALSE(after && before) << source::name(state) << " " << to_string(event.kind);
      });
}

TEST(CustodySource, AfterTheSealOnlyTheLedgerReleasesTheGuest) {
  using enum source::EventKind;
  each_source(
      [](const MoveTerms&, const source::State& state, const source::Event& event, const source::Step& step) {
        if (!std::holds_alternative<source::Sealed>(state) && !std::holds_alternative<source::Gave>(state))
          return;
        const bool releases =
            does(step.actions, source::Deed::kThaw) || does(step.actions, source::Deed::kCont) ||
            does(step.actions, source::Deed::kStartFromDisks) || does(step.actions, source::Deed::kKill);
        if (!releases) return;
        const auto kind = event.kind;
        EXPECT_TRUE(kind == kAborted || kind == kReturned || kind == kRecoveredToUs || kind == kStarted ||
                    kind == kClosed || kind == kRecoveredToOther)
            << source::name(state) << " " << to_string(kind);
      });
}

TEST(CustodySource, LiveMoveIsOffAfterARestartBeforeItsSeal) {
  for (const auto& state : source_states()) {
    if (state.index() > source::State{source::Freezing{}}.index()) break;
    const auto step = source::step({MoveMode::kLive}, state, {source::EventKind::kRestarted});
    EXPECT_TRUE(std::holds_alternative<source::Cancelling>(step.state)) << source::name(state);
    EXPECT_TRUE(does(step.actions, source::Deed::kCont)) << source::name(state);
  }
  const auto cold = source::step({MoveMode::kCold}, source::Offering{}, {source::EventKind::kRestarted});
  EXPECT_TRUE(std::holds_alternative<source::Offering>(cold.state));
}

TEST(CustodySource, FrozenProcessIsKilledNeverThawedOnceStarted) {
  for (const source::State& state : {source::State{source::Sealed{}}, source::State{source::Gave{}}}) {
    const auto step = source::step({MoveMode::kLive}, state, {source::EventKind::kStarted});
    EXPECT_TRUE(std::holds_alternative<source::Fencing>(step.state));
    EXPECT_TRUE(does(step.actions, source::Deed::kKill));
    EXPECT_FALSE(does(step.actions, source::Deed::kThaw));
  }
}

TEST(CustodySource, RecoveredToAnotherHostNeverRunsOn) {
  for (const auto& state : source_states()) {
    if (source::ended(state)) continue;
    const auto step = source::step({MoveMode::kLive}, state, {source::EventKind::kRecoveredToOther});
    EXPECT_FALSE(does(step.actions, source::Deed::kThaw)) << source::name(state);
    EXPECT_TRUE(does(step.actions, source::Deed::kKill) || does(step.actions, source::Deed::kEnsureFrozen) ||
                std::holds_alternative<source::Fencing>(state))
        << source::name(state);
  }
}

TEST(CustodyDestination, CommitFollowsOnlySyncOrItsOwnJournal) {
  each_destination([](const MoveTerms&, const destination::State& state, const destination::Event& event,
                      const destination::Step& step) {
    if (!submits(step.actions, RecordKind::kCommit)) return;
    EXPECT_TRUE(std::holds_alternative<destination::Committing>(step.state));
    EXPECT_TRUE((std::holds_alternative<destination::Syncing>(state) &&
                 event.kind == destination::EventKind::kSynced) ||
                std::holds_alternative<destination::Committing>(state));
  });
}

TEST(CustodyDestination, GuestStartsOnlyInDurableStartingOrClaiming) {
  each_destination([](const MoveTerms&, const destination::State& state, const destination::Event& event,
                      const destination::Step& step) {
    if (!does(step.actions, destination::Deed::kStartGuest) &&
        !does(step.actions, destination::Deed::kStartFromDisks))
      return;
    EXPECT_TRUE(std::holds_alternative<destination::Starting>(step.state) ||
                std::holds_alternative<destination::Claiming>(step.state))
        << destination::name(state) << " " << to_string(event.kind);
    const bool was = destination::name(state) == destination::name(step.state);
    EXPECT_TRUE(was || std::holds_alternative<Journal>(step.actions.front()));
  });
}

TEST(CustodyDestination, NothingIsDestroyedAfterCommittingWithoutAnOrderedAbortOrReturn) {
  each_destination([](const MoveTerms&, const destination::State& state, const destination::Event& event,
                      const destination::Step& step) {
    const bool before = std::holds_alternative<destination::Accepting>(state) ||
                        std::holds_alternative<destination::Receiving>(state) ||
                        std::holds_alternative<destination::Loaded>(state) ||
                        std::holds_alternative<destination::Syncing>(state) ||
                        std::holds_alternative<destination::Destroying>(state) ||
                        std::holds_alternative<destination::Erasing>(state);  // the order was given
    if (before || !does(step.actions, destination::Deed::kDestroyIncoming)) return;
    EXPECT_TRUE(event.kind == destination::EventKind::kAborted ||
                event.kind == destination::EventKind::kReturned)
        << destination::name(state) << " " << to_string(event.kind);
  });
}

TEST(CustodyDestination, NoMoveIsOverBeforeWhatWasReceivedIsErased) {
  each_destination([](const MoveTerms&, const destination::State& state, const destination::Event& event,
                      const destination::Step& step) {
    const auto* ended = std::get_if<destination::Ended>(&step.state);
    if (ended == nullptr || destination::ended(state)) return;
    if (ended->outcome != Outcome::kAborted && ended->outcome != Outcome::kReturned) return;
    EXPECT_TRUE(std::holds_alternative<destination::Erasing>(state) &&
                event.kind == destination::EventKind::kErased)
        << destination::name(state) << " " << to_string(event.kind);
  });
}

TEST(CustodyDestination, RecoveredAfterTheSealNothingIsErased) {
  using namespace destination;
  for (const MoveMode mode : kModes) {
    for (const State& state :
         {State{Syncing{to_bytes("seal")}}, State{Committing{to_bytes("seal"), false}}}) {
      const auto to_other = step({mode}, state, {EventKind::kRecoveredToOther});
      EXPECT_TRUE(does(to_other.actions, Deed::kQuarantine)) << name(state);
      EXPECT_FALSE(does(to_other.actions, Deed::kDestroyIncoming)) << name(state);
      EXPECT_EQ(std::get<Ended>(to_other.state).outcome, Outcome::kLost);

      auto to_us = step({mode}, state, {EventKind::kRecoveredToUs});
      if (std::holds_alternative<Syncing>(state)) {
        EXPECT_TRUE(to_us.actions.empty()) << "not durable yet";
        to_us = step({mode}, to_us.state, {EventKind::kSynced});
      }
      EXPECT_TRUE(does(to_us.actions, Deed::kAdoptIncoming)) << name(state);
      EXPECT_FALSE(does(to_us.actions, Deed::kDestroyIncoming) ||
                   submits(to_us.actions, RecordKind::kCommit));
      EXPECT_EQ(std::get<Ended>(to_us.state).outcome, Outcome::kRecovered);
    }
  }
}

TEST(CustodyCodec, DurableStatesComeBackAsTheyWere) {
  for (const auto& state : source_states()) {
    if (!source::durable(state)) continue;
    source::State expected = state;
    if (auto* cancelling = std::get_if<source::Cancelling>(&expected))
      cancelling->guest_safe = cancelling->record_done = false;
    const auto back = source::decode(source::encode(state));
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(*back, expected) << source::name(state);
  }
  for (const auto& state : destination_states()) {
    if (!destination::durable(state)) continue;
    destination::State expected = state;
    if (auto* committing = std::get_if<destination::Committing>(&expected)) committing->qemu_gone = false;
    if (auto* starting = std::get_if<destination::Starting>(&expected)) starting->restarted = false;
    if (auto* claiming = std::get_if<destination::Claiming>(&expected)) claiming->ordered = false;
    const auto back = destination::decode(destination::encode(state));
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(*back, expected) << destination::name(state);
  }
}

TEST(CustodyCodec, RefusesAnotherVersionAndNamesBoth) {
  Bytes bytes = source::encode(source::Gave{});
  bytes[0] = 9;
  const auto state = source::decode(bytes);
  ASSERT_FALSE(state.has_value());
  EXPECT_EQ(state.error().code, Code::kUnsupported);
  EXPECT_NE(state.error().message.find("version 9"), std::string::npos);
  EXPECT_NE(state.error().message.find("version 1"), std::string::npos);
}

TEST(CustodyCodec, RefusesUnknownStatesAndTrailingBytes) {
  EXPECT_FALSE(source::decode(Bytes{1, 99}).has_value());
  EXPECT_FALSE(destination::decode(Bytes{1, 0}).has_value());
  Bytes bytes = destination::encode(destination::Started{});
  bytes.push_back(0);
  EXPECT_FALSE(destination::decode(bytes).has_value());
  EXPECT_FALSE(destination::decode(Bytes{1, 4, 7}).has_value());  // a way to start that is none
}

}  // namespace sealift::migrate::custody
