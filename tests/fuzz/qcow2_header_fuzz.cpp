// The qcow2 header of an image that nobody vouches for.

#include <cstdlib>

#include "image/qemu_img.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto info = sealift::image::decode_qcow2_header({data, size});
  if (info && !sealift::image::check_disk_size(info->virtual_bytes)) std::abort();
  return 0;
}
