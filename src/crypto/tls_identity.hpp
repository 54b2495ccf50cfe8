#pragma once

// What net's TLS files need of an identity: a self-signed X.509 v3 certificate of its Ed25519 key, and the
// key that a peer's certificate holds. Certificates carry no authority: the key alone is compared with the
// member list. Hence fixed names and no expiry (RFC 5280 4.1.2.5: 99991231235959Z): clocks play no part in a
// handshake. The same identity gives the same certificate, byte for byte.

#include <memory>

#include "base/result.hpp"
#include "crypto/identity.hpp"

struct x509_st;

namespace sealift::crypto {

class TlsIdentity {
 public:
  static Result<TlsIdentity> make(const Identity& identity);
  x509_st* certificate() const { return certificate_.get(); }  // stay ours: OpenSSL counts its own references
  evp_pkey_st* key() const { return identity_.native(); }
  const PublicKey& public_key() const { return identity_.public_key(); }

 private:
  TlsIdentity(Identity identity, std::shared_ptr<x509_st> certificate)
      : identity_(std::move(identity)), certificate_(std::move(certificate)) {}
  Identity identity_;
  std::shared_ptr<x509_st> certificate_;
};

// kUnauthorized when the certificate's key is not Ed25519. Whether the peer holds the private key is what
// the TLS handshake (CertificateVerify) proves, not this.
Result<PublicKey> certificate_key(x509_st* certificate);

}  // namespace sealift::crypto
