#include "net/error_wire.hpp"

#include "base/text.hpp"

namespace sealift::net {

namespace {
constexpr std::size_t kCodeBytesMax = 32;
constexpr std::size_t kMessageBytesMax = 1024;
}  // namespace

Bytes encode_error(const Error& error) {
  return Encoder()
      .text(to_string(error.code))
      .text(std::string_view(error.message).substr(0, kMessageBytesMax))
      .take();
}

Result<Error> decode_error(ByteView body) {
  Decoder in(body);
  const std::string code = SEALIFT_TRY(in.text(kCodeBytesMax));
  const std::string message = SEALIFT_TRY(in.text(kMessageBytesMax));
  SEALIFT_TRY_STATUS(in.finish());
  return Error{code_from_text(code), printable(message)};
}

}  // namespace sealift::net
