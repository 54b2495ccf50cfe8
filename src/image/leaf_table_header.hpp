#pragma once

// The first 4096 bytes of a leaf table's file; leaf_table.hpp has the byte table.

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace sealift::image {

constexpr std::size_t kLeafTableHeaderBytes = 4096;

Bytes encode_leaf_table_header(std::uint64_t disk_bytes);
// kCorrupt: no leaf table, or damaged. kUnsupported: another version or kind. kConflict: for another size.
Status check_leaf_table_header(ByteView head, std::uint64_t disk_bytes);

}  // namespace sealift::image
