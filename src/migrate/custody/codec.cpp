#include "migrate/custody/codec.hpp"

namespace sealift::migrate::custody::codec {

void put_header(Encoder& out, std::uint8_t tag) {
  out.u8(kVersion).u8(tag);
}

void put_reason(Encoder& out, std::string_view reason) {
  out.text(reason.substr(0, kReasonBytesMax));
}

Result<std::uint8_t> get_header(Decoder& in) {
  const std::uint8_t version = SEALIFT_TRY(in.u8());
  if (version != kVersion)
    return fail(Code::kUnsupported, "the journal's custody state has version {}, this build reads version {}",
                version, kVersion);
  return in.u8();
}

Result<std::string> get_reason(Decoder& in) {
  return in.text(kReasonBytesMax);
}

Result<Bytes> get_statement(Decoder& in) {
  const ByteView view = SEALIFT_TRY(in.blob(kStatementBytesMax));
  return Bytes(view.begin(), view.end());
}

Result<Outcome> get_outcome(Decoder& in) {
  const std::uint8_t value = SEALIFT_TRY(in.u8());
  switch (static_cast<Outcome>(value)) {
    case Outcome::kMoved:
    case Outcome::kAborted:
    case Outcome::kReturned:
    case Outcome::kLost:
    case Outcome::kRecovered: return static_cast<Outcome>(value);
  }
  return fail(Code::kInvalid, "the journal holds an outcome {} that this version does not know", value);
}

}  // namespace sealift::migrate::custody::codec
