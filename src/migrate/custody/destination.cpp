#include "migrate/custody/destination.hpp"

#include "base/check.hpp"
#include "migrate/custody/codec.hpp"
#include "migrate/custody/destination_steps.hpp"

namespace sealift::migrate::custody::destination {

namespace detail {

std::string reason_of(const Event& event) {
  if (!event.reason.empty()) return event.reason;
  return std::string(to_string(event.kind));
}

Step erase(Outcome outcome, std::string reason) {
  return {Erasing{outcome, std::move(reason)}, {Journal{}, Deed::kDestroyIncoming}};
}

Step impossible(State state, const Event& event) {
  std::string text = "the ledger shows what its rules exclude here (";
  text += to_string(event.kind);
  text += "): nothing changed; verify the ledger";
  return {std::move(state), {Report{Loudness::kAlarm, std::move(text)}}};
}

Step take_over() {
  std::string text =
      "the VM was recovered to this host, with what it had received and checked against the seal";
  return {Ended{Outcome::kRecovered, text},
          {Deed::kKill, Deed::kAdoptIncoming, Journal{},
           Report{Loudness::kAlarm, text + "; it is powered off: sealift vm start"}}};
}

Step lost(const Event& event, Deed deed) {
  std::string text = "the ledger gave the VM to another host: " + reason_of(event);
  return {Ended{Outcome::kLost, text}, {deed, Journal{}, Report{Loudness::kAlarm, text}}};
}

}  // namespace detail

Step begin(const MoveTerms&) {
  return {Accepting{}, {Journal{}, Submit{RecordKind::kAccept}}};
}

Step step(const MoveTerms& terms, const State& state, const Event& event) {
  return std::visit([&](const auto& current) { return detail::on(terms, current, event); }, state);
}

bool durable(const State& state) {
  return !std::holds_alternative<Loaded>(state) && !std::holds_alternative<Syncing>(state);
}

bool ended(const State& state) {
  return std::holds_alternative<Ended>(state);
}

namespace {

struct Name {
  std::string_view operator()(const Accepting&) const { return "accepting"; }
  std::string_view operator()(const Receiving&) const { return "receiving"; }
  std::string_view operator()(const Loaded&) const { return "loaded"; }
  std::string_view operator()(const Syncing&) const { return "syncing"; }
  std::string_view operator()(const Committing&) const { return "committing"; }
  std::string_view operator()(const Starting&) const { return "starting"; }
  std::string_view operator()(const Started&) const { return "started"; }
  std::string_view operator()(const Returning&) const { return "returning"; }
  std::string_view operator()(const Claiming&) const { return "claiming"; }
  std::string_view operator()(const Destroying&) const { return "destroying"; }
  std::string_view operator()(const Erasing&) const { return "erasing"; }
  std::string_view operator()(const Ended&) const { return "ended"; }
};

// Tags are for ever: a state that goes keeps its number reserved.
enum class Tag : std::uint8_t {
  kAccepting = 1,
  kReceiving = 2,
  kCommitting = 3,
  kStarting = 4,
  kStarted = 5,
  kReturning = 6,
  kClaiming = 7,
  kDestroying = 8,
  kEnded = 9,
  kErasing = 10
};

struct Put {
  Encoder& out;
  void tag(Tag tag) const { codec::put_header(out, static_cast<std::uint8_t>(tag)); }
  void operator()(const Accepting&) const { tag(Tag::kAccepting); }
  void operator()(const Receiving&) const { tag(Tag::kReceiving); }
  void operator()(const Loaded&) const { SEALIFT_CHECK(false); }   // not durable
  void operator()(const Syncing&) const { SEALIFT_CHECK(false); }  // not durable
  void operator()(const Committing& s) const { tag(Tag::kCommitting), out.blob(s.seal); }
  void operator()(const Starting& s) const { tag(Tag::kStarting), out.u8(static_cast<std::uint8_t>(s.from)); }
  void operator()(const Started&) const { tag(Tag::kStarted); }
  void operator()(const Returning&) const { tag(Tag::kReturning); }
  void operator()(const Claiming&) const { tag(Tag::kClaiming); }
  void operator()(const Destroying& s) const { tag(Tag::kDestroying), codec::put_reason(out, s.reason); }
  void operator()(const Erasing& s) const {
    tag(Tag::kErasing), out.u8(static_cast<std::uint8_t>(s.outcome)), codec::put_reason(out, s.reason);
  }
  void operator()(const Ended& s) const {
    tag(Tag::kEnded), out.u8(static_cast<std::uint8_t>(s.outcome)), codec::put_reason(out, s.reason);
  }
};

Result<Starting::From> get_from(Decoder& in) {
  const std::uint8_t value = SEALIFT_TRY(in.u8());
  switch (static_cast<Starting::From>(value)) {
    case Starting::From::kIncoming:
    case Starting::From::kDisks: return static_cast<Starting::From>(value);
  }
  return fail(Code::kInvalid, "the journal holds a way to start {} that this version does not know", value);
}

Result<State> get_fields(std::uint8_t tag, Decoder& in) {
  switch (static_cast<Tag>(tag)) {
    case Tag::kAccepting: return Accepting{};
    case Tag::kReceiving: return Receiving{};
    case Tag::kCommitting: return Committing{SEALIFT_TRY(codec::get_statement(in)), false};
    case Tag::kStarting: return Starting{SEALIFT_TRY(get_from(in)), false};
    case Tag::kStarted: return Started{};
    case Tag::kReturning: return Returning{};
    case Tag::kClaiming: return Claiming{};
    case Tag::kDestroying: return Destroying{SEALIFT_TRY(codec::get_reason(in))};
    case Tag::kErasing: {
      const Outcome outcome = SEALIFT_TRY(codec::get_outcome(in));
      return Erasing{outcome, SEALIFT_TRY(codec::get_reason(in))};
    }
    case Tag::kEnded: {
      const Outcome outcome = SEALIFT_TRY(codec::get_outcome(in));
      return Ended{outcome, SEALIFT_TRY(codec::get_reason(in))};
    }
  }
  return fail(Code::kInvalid, "the journal holds a destination state {} that this version does not know",
              tag);
}

}  // namespace

std::string_view name(const State& state) {
  return std::visit(Name{}, state);
}

Bytes encode(const State& state) {
  Encoder out;
  std::visit(Put{out}, state);
  return out.take();
}

Result<State> decode(ByteView bytes) {
  Decoder in(bytes);
  const std::uint8_t tag = SEALIFT_TRY(codec::get_header(in));
  State state = SEALIFT_TRY(get_fields(tag, in));
  SEALIFT_TRY_STATUS(in.finish());
  return state;
}

}  // namespace sealift::migrate::custody::destination
