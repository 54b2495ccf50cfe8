// A whole qcow2 image that nobody vouches for: its tables may point anywhere.

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "image/qcow2_file.hpp"

using namespace sealift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  UniqueFd fd(::memfd_create("qcow2", MFD_CLOEXEC));
  if (!fd || !file::write_exact(fd.get(), {data, size}, 0, "qcow2")) return 0;
  const auto image = image::Qcow2File::open(std::move(fd), "qcow2");
  if (!image) return 0;
  const std::uint64_t bytes = (*image)->size_bytes();
  const std::uint64_t window = std::min<std::uint64_t>(bytes, 4 * image::kLeafBytes);
  for (const std::uint64_t at : {std::uint64_t{0}, bytes / 2 / 512 * 512, bytes - window}) {
    const std::uint64_t length = std::min(window, bytes - at);
    Bytes out(length);
    if (!(*image)->read(at, out)) continue;
    const auto extents = (*image)->extents(at, length);
    if (!extents) std::abort();
    std::uint64_t end = at;
    for (const auto& extent : *extents) {
      const ByteView part = ByteView(out).subspan(extent.offset - at, extent.length);
      if (extent.offset != end || (extent.kind == image::ExtentKind::kZero && !image::all_zero(part)))
        std::abort();
      end += extent.length;
    }
    if (end != at + length) std::abort();
  }
  return 0;
}
