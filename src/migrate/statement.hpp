#pragma once

// What a seal will say, as bytes in the custody journal before it is signed: the parts that left the source.
// The rest of the seal (move, domain, VM, from, to, epoch) is the move's own and constant.
//
// Form, big-endian: u8 version (1), u32 count (at most ledger::kSealPartsMax), per part: blob name, blob
// algorithm, u64 bytes, 32 bytes digest. Names are sorted and differ.

#include "ledger/seal.hpp"

namespace sealift::migrate {

inline constexpr std::string_view kAlgorithmSha256 = "sha256";
inline constexpr std::string_view kAlgorithmLeaves = "blake3-leaves-256k";
inline constexpr std::string_view kAlgorithmTranscript = "transcript-sha256";

Bytes encode_statement(std::vector<ledger::SealPart> parts);  // sorts them
Result<std::vector<ledger::SealPart>> decode_statement(ByteView bytes);

// Empty: equal. Otherwise what differs, in words: names, sizes, digests.
std::string difference(const std::vector<ledger::SealPart>& theirs,
                       const std::vector<ledger::SealPart>& ours);

}  // namespace sealift::migrate
