#include "net/stream.hpp"

namespace sealift::net {

Status read_exact(Stream& stream, MutableByteView out, Deadline deadline, const Stop& stop) {
  std::size_t have = 0;
  while (have < out.size()) {
    const std::size_t got = SEALIFT_TRY(stream.read_some(out.subspan(have), deadline, stop));
    if (got == 0) {
      if (have == 0) return fail(Code::kClosed, "the other side closed the connection");
      return fail(Code::kUnavailable, "the connection ended after {} of {} bytes", have, out.size());
    }
    have += got;
  }
  return {};
}

}  // namespace sealift::net
