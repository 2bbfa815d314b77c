// Package openapitest holds the document of the API, api/openapi.yaml, against the
// programs that others read it with: the linters redocly and spectral, and the
// generators oapi-codegen and openapi-typescript, whose clients then call an
// instance. Its tests are behind the build tag openapi, so that all other tests need
// no Node:
//
//	make test-openapi
package openapitest
