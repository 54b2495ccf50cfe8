#include "migrate/custody/source.hpp"

#include "base/check.hpp"
#include "migrate/custody/codec.hpp"
#include "migrate/custody/source_steps.hpp"

namespace sealift::migrate::custody::source {

namespace detail {

Step lost(const MoveTerms& terms, std::string_view how) {
  std::string text = "the ledger gave the VM to another host while this one held it: ";
  text += how;
  Step step{Ended{Outcome::kLost, text}, {}};
  if (terms.mode == MoveMode::kLive) step.actions.emplace_back(Deed::kEnsureFrozen);
  step.actions.emplace_back(Journal{});
  step.actions.emplace_back(Report{Loudness::kAlarm, text + "; its guest is stopped and frozen here"});
  return step;
}

std::string reason_of(const Event& event) {
  if (!event.reason.empty()) return event.reason;
  return std::string(to_string(event.kind));
}

}  // namespace detail

Step begin(const MoveTerms&) {
  return {Offering{}, {Journal{}, Submit{RecordKind::kOffer}}};
}

Step step(const MoveTerms& terms, const State& state, const Event& event) {
  return std::visit([&](const auto& current) { return detail::on(terms, current, event); }, state);
}

bool durable(const State& state) {
  return !std::holds_alternative<Switching>(state) && !std::holds_alternative<Freezing>(state);
}

bool ended(const State& state) {
  return std::holds_alternative<Ended>(state);
}

namespace {

struct Name {
  std::string_view operator()(const Offering&) const { return "offering"; }
  std::string_view operator()(const Copying&) const { return "copying"; }
  std::string_view operator()(const Switching&) const { return "switching"; }
  std::string_view operator()(const Freezing&) const { return "freezing"; }
  std::string_view operator()(const Sealed&) const { return "sealed"; }
  std::string_view operator()(const Gave&) const { return "gave"; }
  std::string_view operator()(const Fencing&) const { return "fencing"; }
  std::string_view operator()(const Cancelling&) const { return "cancelling"; }
  std::string_view operator()(const Undoing&) const { return "undoing"; }
  std::string_view operator()(const Ended&) const { return "ended"; }
};

// Tags are for ever: a state that goes keeps its number reserved.
enum class Tag : std::uint8_t {
  kOffering = 1,
  kCopying = 2,
  kSealed = 3,
  kGave = 4,
  kFencing = 5,
  kCancelling = 6,
  kUndoing = 7,
  kEnded = 8
};

struct Put {
  Encoder& out;
  void tag(Tag tag) const { codec::put_header(out, static_cast<std::uint8_t>(tag)); }
  void operator()(const Offering&) const { tag(Tag::kOffering); }
  void operator()(const Copying&) const { tag(Tag::kCopying); }
  void operator()(const Switching&) const { SEALIFT_CHECK(false); }
  void operator()(const Freezing&) const { SEALIFT_CHECK(false); }
  void operator()(const Sealed& s) const { tag(Tag::kSealed), out.blob(s.statement); }
  void operator()(const Gave&) const { tag(Tag::kGave); }
  void operator()(const Fencing&) const { tag(Tag::kFencing); }
  void operator()(const Cancelling& s) const { tag(Tag::kCancelling), codec::put_reason(out, s.reason); }
  void operator()(const Undoing& s) const {
    tag(Tag::kUndoing), out.u8(static_cast<std::uint8_t>(s.outcome));
  }
  void operator()(const Ended& s) const {
    tag(Tag::kEnded), out.u8(static_cast<std::uint8_t>(s.outcome)), codec::put_reason(out, s.reason);
  }
};

Result<State> get_fields(std::uint8_t tag, Decoder& in) {
  switch (static_cast<Tag>(tag)) {
    case Tag::kOffering: return Offering{};
    case Tag::kCopying: return Copying{};
    case Tag::kSealed: return Sealed{SEALIFT_TRY(codec::get_statement(in))};
    case Tag::kGave: return Gave{};
    case Tag::kFencing: return Fencing{};
    case Tag::kCancelling: return Cancelling{SEALIFT_TRY(codec::get_reason(in)), false, false};
    case Tag::kUndoing: return Undoing{SEALIFT_TRY(codec::get_outcome(in))};
    case Tag::kEnded: {
      const Outcome outcome = SEALIFT_TRY(codec::get_outcome(in));
      return Ended{outcome, SEALIFT_TRY(codec::get_reason(in))};
    }
  }
  return fail(Code::kInvalid, "the journal holds a source state {} that this version does not know", tag);
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

}  // namespace sealift::migrate::custody::source
