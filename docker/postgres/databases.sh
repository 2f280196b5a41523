#!/bin/sh
# Runs once, when PostgreSQL's volume is empty: a role with its databases for MLflow, and one for studies. Workers have
# only the second password, and cannot read MLflow's users.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv mlflow_password MLFLOW_DATABASE_PASSWORD
\getenv study_password STUDY_DATABASE_PASSWORD
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE study LOGIN PASSWORD :'study_password';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow;
CREATE DATABASE study OWNER study;
REVOKE CONNECT ON DATABASE mlflow, mlflow_auth, study FROM PUBLIC;
SQL
