#pragma once

// Every OpenSSL object is owned once, here. Internal to crypto's sources: no public header includes this.

#include <memory>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/bytes.hpp"

namespace sealift::crypto {

template <auto Free>
struct HandleFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using BioHandle = std::unique_ptr<BIO, HandleFree<BIO_free_all>>;
using DigestContextHandle = std::unique_ptr<EVP_MD_CTX, HandleFree<EVP_MD_CTX_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, HandleFree<EVP_PKEY_free>>;

// The bytes that a non-empty context signs (identity.hpp); empty for context "", which signs the message
// alone.
Bytes signed_bytes(std::string_view context, ByteView message);

}  // namespace sealift::crypto
