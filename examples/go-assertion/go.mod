module example.com/go-assertion

go 1.26.0

require github.com/gatehouse-iap/gatehouse/assertion v0.0.0

replace github.com/gatehouse-iap/gatehouse/assertion => ../../assertion
