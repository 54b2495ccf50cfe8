#pragma once

// What both sides agreed on when a move began: kept in the journal, constant for the move's life. And the
// records that this host makes of it.

#include "crypto/identity.hpp"
#include "ledger/record.hpp"
#include "ledger/views.hpp"
#include "migrate/custody/terms.hpp"
#include "migrate/protocol.hpp"

namespace sealift::migrate {

struct Agreed {
  protocol::Request request;
  ledger::DomainId domain;
  ledger::HostName from, to;
  ledger::Epoch epoch;  // that the commit gives to the destination
  std::uint64_t deadline_ms = 0;
  std::uint64_t max_downtime_ms = 300;  // source's side only, as streams
  std::uint32_t streams = 2;
  std::uint64_t patience_ms = 300'000;       // without progress; 0: until the deadline
  std::uint64_t write_bytes_per_second = 0;  // the guest's, as measured before
  std::string checks, mapped, expected;      // pre-flight's words, for the screen
  std::vector<std::string> warnings;

  custody::MoveMode mode() const {
    return request.vm.live ? custody::MoveMode::kLive : custody::MoveMode::kCold;
  }
  custody::MoveTerms terms() const { return {mode()}; }
};

std::string encode_agreed(const Agreed& agreed);  // JSON, "agreed": 1
Result<Agreed> decode_agreed(const std::string& text);

// Any record but the offer. seal: of move.commit; words: reason or how.
Result<Bytes> make_move_record(const Agreed& agreed, const ledger::MoveId& move, custody::RecordKind kind,
                               std::uint64_t number, ByteView seal, const std::string& words,
                               const crypto::Identity& signer);
ledger::MoveOffer make_offer(const Agreed& agreed, std::uint64_t number);
// kRefused says in which field the ledger's offer is another one than the request.
Status compare_offer(const ledger::Move& offered, const Agreed& agreed);

}  // namespace sealift::migrate
