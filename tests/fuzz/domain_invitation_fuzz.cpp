// The line of `domain invite`: whatever is accepted must be written back as a line that reads the same.
#include <cstdlib>

#include "domain/invitation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto invitation = sealift::domain::parse_invitation(sealift::as_text({data, size}));
  if (!invitation) return 0;
  const std::string line = invitation->line();
  const auto again = sealift::domain::parse_invitation(line);
  if (!again || again->line() != line) std::abort();
  return 0;
}
