#pragma once

// What a balancer knows of the domain whose moves it follows: a directory of its own with
//
//   balancer.key     its identity (Ed25519), made when it is enrolled first
//   enrolment.json   {"version": 1, "domain": 64 hex digits, "name": text, "certificate": envelope as text,
//                    "members": a member list (messages.hpp)}

#include "domain/invitation.hpp"
#include "traffic/certificate.hpp"
#include "traffic/follower.hpp"

namespace sealift::traffic {

struct Enrolment {
  ledger::DomainId domain;
  ledger::HostName name;
  std::string certificate;
  MemberList members;
};
std::string encode_enrolment(const Enrolment& enrolment);
Result<Enrolment> decode_enrolment(std::string_view text);  // kInvalid

struct EnrolledBalancer {
  crypto::Identity identity;
  Enrolment enrolment;
};
Result<EnrolledBalancer> load_enrolment(const file::Path& directory);  // kNotFound: it was never enrolled
Status save_enrolment(const file::Path& directory, const Enrolment& enrolment);

// With the line of `domain invite --balancer`: asks the member that made it. Repeating the line is harmless;
// another line replaces the enrolment, the key stays.
Result<Enrolment> enrol(const file::Path& directory, std::string_view line, const ledger::HostName& name,
                        Deadline deadline, const Stop& stop);

// How its hosts are dialled; those without an address are left out.
std::vector<Followed> hosts_of(const Enrolment& enrolment);

}  // namespace sealift::traffic
