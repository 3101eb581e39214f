module example.com/gotest

go 1.26.0

require github.com/gatehouse-iap/gatehouse v0.0.0

replace (
	github.com/gatehouse-iap/gatehouse => ../..
	github.com/gatehouse-iap/gatehouse/assertion => ../../assertion
)
