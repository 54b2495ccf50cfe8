#include "migrate/dial.hpp"

namespace sealift::migrate {

Result<std::shared_ptr<Conversation>> dial(const MoveManagerOptions& options, const ledger::HostName& to,
                                           std::uint32_t connections, Deadline deadline, const Stop& stop) {
  const auto state = options.ledger->final_state();
  const auto member = state->member(to);
  if (!member)
    return fail(Code::kNotFound, "{} is no member of the domain: sealift domain members", to.text());
  net::DialOptions dialled;
  dialled.endpoints = net::parse_endpoints(member->info.endpoints);
  dialled.call_backs = options.call_backs;
  if (dialled.endpoints.empty() && options.call_backs == nullptr)
    return fail(Code::kUnavailable, "{} has told the domain no address: sealift host update there",
                to.text());
  dialled.expected = member->info.key;
  dialled.hello.purpose = kMovePurpose;
  dialled.hello.host_name = options.self.text();
  dialled.hello.domain = state->domain().hex();
  transport::SessionOptions session = options.session;
  session.connections = connections;
  auto opened = transport::Session::initiate(
      std::make_unique<transport::EndpointDialer>(std::move(dialled), *options.identity), session, deadline,
      stop);
  if (!opened) {
    Error error = because(opened.error(), "reaching " + to.text()).error();
    if (error.code == Code::kUnavailable || error.code == Code::kTimeout) {
      error.message += fmt::format(
          ". Nothing was changed. Does {0} run (there: sealift host status), and can one of the two hosts "
          "dial the "
          "other?",
          to.text());
    }
    return std::unexpected(std::move(error));
  }
  return std::make_shared<Conversation>(std::move(*opened));
}

}  // namespace sealift::migrate
