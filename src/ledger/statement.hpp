#pragma once

// In-toto statements of the two kinds of payload, records and seals (internal to the module).

#include "ledger/fields.hpp"
#include "ledger/record.hpp"

namespace sealift::ledger {

constexpr std::string_view kPayloadType = "application/vnd.in-toto+json";
constexpr std::size_t kKinds = std::variant_size_v<Body>;

std::string_view kind_name(std::size_t index);              // "move.offer" of an alternative of Body
bool is_multi_signed(const Body& body);                     // one that several hosts sign
Json subject_of(const Body& body, const DomainId& domain);  // one name and digest

// The statement's text, compact, keys in order.
std::string statement(std::string_view kind, const Json& subject, Json predicate);

struct ParsedStatement {
  std::string kind;
  Json subject;
  Json predicate;
};
Result<ParsedStatement> parse_statement(ByteView payload, std::size_t bytes_max);

// That the JSON around the payload is crypto::encode()'s, its signatures sorted by key id, each once.
Status check_canonical(const crypto::UnverifiedEnvelope& envelope);

}  // namespace sealift::ledger
