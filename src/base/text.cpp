#include "base/text.hpp"

namespace sealift {

std::string printable(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    if (byte < 0x20 || byte == 0x7f) out[i] = ' ';
    const bool wide = byte == 0xc2 && i + 1 < out.size();
    if (wide && static_cast<unsigned char>(out[i + 1]) >= 0x80 &&
        static_cast<unsigned char>(out[i + 1]) < 0xa0)
      out.replace(i, 2, 1, ' ');
  }
  return out;
}

}  // namespace sealift
