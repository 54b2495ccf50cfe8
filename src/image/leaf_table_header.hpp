#pragma once

// A leaf table's file and its first 4096 bytes; leaf_table.hpp has the byte table.

#include "base/file.hpp"

namespace sealift::image {

constexpr std::size_t kLeafTableHeaderBytes = 4096;
std::size_t leaf_table_file_bytes(std::uint64_t disk_bytes);

Bytes encode_leaf_table_header(std::uint64_t disk_bytes);
// kCorrupt: no leaf table, or damaged. kUnsupported: another version or kind. kConflict: for another size.
Status check_leaf_table_header(ByteView head, std::uint64_t disk_bytes);
// Opens the file or makes it, with space for all entries. Errors as check_leaf_table_header().
Result<UniqueFd> open_leaf_table_file(const file::Path& path, std::uint64_t disk_bytes);

}  // namespace sealift::image
